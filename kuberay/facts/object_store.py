"""How small Ray's object store may be."""

from decimal import Decimal

#: Ray ends with exit code 1 where its object store would be smaller
#: (`OBJECT_STORE_MINIMUM_MEMORY_BYTES`).
SMALLEST_OBJECT_STORE = 78_643_200
#: Ray takes so much of the memory that is free when it starts for it.
OBJECT_STORE_SHARE = Decimal("0.3")
