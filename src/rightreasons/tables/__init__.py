"""The study's tables: their columns, and how they are made."""
