"""Does a debiased vision model also stop looking at the protected attribute?"""
