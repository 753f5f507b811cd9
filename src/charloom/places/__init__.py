"""Where models lie: in a folder of yours, or in this package by a name.

Modules: `located` finds the folder that a RUN argument stands for; `ready_made` knows the models that come with
charloom, whose files are in `data/`.
"""
