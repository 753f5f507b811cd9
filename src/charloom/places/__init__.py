"""Where models lie: in a folder of yours, in a packed file, in this package by a name, or on a hub by an address.

Modules: `located` finds the folder that a RUN argument stands for. `ready_made` knows the models that come with
charloom, whose files are in `data/`. `packing` makes one file of a run, and `packed` opens it. `addresses` parses
OWNER/NAME@REVISION, `hub` fetches such a model through `downloads`, `uploads` puts one there, and `endpoint` says which
hub to use. `cache` keeps what was unpacked or fetched, `contents` bounds what may be in it, and `notices` reports what
takes time.
"""
