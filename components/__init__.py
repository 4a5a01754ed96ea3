"""Ray on Kubernetes as Pulumi components.

Data flows one way: stack config -> settings (typed, validated) -> values (pure) -> components -> outputs.
"""

import atexit
import gc

# In a preview the program lives for half a second, of which Python's collector took a fifth: it went through all that is imported, again
# and again, and once more at the end, and found nothing to free.
gc.set_threshold(100_000)
atexit.register(gc.freeze)
