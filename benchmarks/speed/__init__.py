"""The suite's speed against what a user would pick instead, and against bounds.

    python -m benchmarks.speed [--only pool,train] [--repeats 5] [--out FILE.parquet]

Every row is a ratio measured in one process, ours and the other in turns. `benchmarks/speed/` has
one module per group of rows.
"""
