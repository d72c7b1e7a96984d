"""Checkpoints on any storage: nothing that was committed is lost or restored wrong. Layer 4.

A checkpoint is a folder of files that Orbax wrote, and a manifest with the size and the hash of
each file. The manifest is written last: a checkpoint exists when its manifest does.

====================================  ==========================================================
file below ``checkpoints/``           holds
====================================  ==========================================================
``00000200/tree/...``                 the arrays of step 200, as Orbax writes them
``00000200/manifest.json``            step, fingerprints, and path, size and SHA-256 of every file
``writer.json``                       who writes here, renewed while it lives
====================================  ==========================================================

`policy` says when and what to keep, `writer` writes beside the steps, `store` finds, verifies and
restores, `trees` turns states into arrays by name and back. Importing the package imports none.
"""
