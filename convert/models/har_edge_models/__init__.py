"""The Keras models behind the files that har-edge brings, and the frames they are calibrated on.

Data alone, a run folder for each name. `har_edge.run_folder.bundled_run` finds them.
"""

__version__ = "0.2.0"
