"""What the lecture says of adversarial networks in particle physics, measured: docs/physics.md.

python -m benchmarks.physics
"""
