"""The generator of the demo model's text: one small world and everything that is ever said about it.

Nothing here is copied from anywhere; every sentence the demo model has seen is made by this package.
Raise VERSION whenever the text it makes for a given seed changes.
"""

VERSION = "1.0.0"
