"""What holds for every stack: versions, charts, images, quantities, the names written
on objects.
"""
