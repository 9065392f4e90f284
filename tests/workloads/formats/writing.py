"""What twins of formats share: numbers in bits, and a (K, C, X) tensor as rows and columns."""


def number(value, width):
    text = ""
    for place in reversed(range(width)):
        text += "1" if value >> place & 1 else "0"
    assert value < 2**width
    return text


def width_of(count):
    width = 0
    while 2**width < count:
        width += 1
    return width


def row_of(filter_):
    return [value for channel in filter_ for value in channel]


def rows_of(tensor):
    return [row_of(filter_) for filter_ in tensor]


def columns_of(tensor):
    return [list(column) for column in zip(*rows_of(tensor), strict=True)]


def compressed(chosen, lists):
    values = indices = ""
    pointers, stored = number(0, chosen.pointer_bits), 0
    for one in lists:
        for place, value in enumerate(one):
            if value:
                values += number(value, chosen.value_bits)
                indices += number(place, width_of(len(one)))
                stored += 1
        pointers += number(stored, chosen.pointer_bits)
    return {"values": values, "indices": indices, "pointers": pointers}
