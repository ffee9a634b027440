"""Around a job: its process, its devices, its cluster, the study's lock."""
