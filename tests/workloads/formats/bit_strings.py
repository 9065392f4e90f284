"""The slow twin of every format: a stored tensor as strings of '0' and '1', written bit by bit from the format's rules.

`bit_strings(format, tensor)` takes a (K, C, X) array of whole numbers and gives {field: string}. A value is written as
its number in value_bits bits, so that contents can be compared as well as lengths.
"""


def bit_strings(chosen, tensor):
    return TWINS[chosen.name](chosen, tensor.tolist())


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


def dense(chosen, tensor):
    return {"values": "".join(number(v, chosen.value_bits) for row in rows_of(tensor) for v in row)}


def bitmap(chosen, tensor):
    bits = values = ""
    for row in rows_of(tensor):
        for value in row:
            bits += "1" if value else "0"
            if value:
                values += number(value, chosen.value_bits)
    return {"bitmap": bits, "values": values}


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


def csr(chosen, tensor):
    return compressed(chosen, rows_of(tensor))


def csc(chosen, tensor):
    return compressed(chosen, columns_of(tensor))


def relative(chosen, tensor):
    if chosen.scan == "tensor":
        lists = [[value for row in rows_of(tensor) for value in row]]
    else:
        lists = rows_of(tensor) if chosen.scan == "rows" else columns_of(tensor)
    values = indices = ""
    pointers, stored = number(0, chosen.pointer_bits), 0
    for one in lists:
        pending_values = pending_indices = ""  # fillers are written once a non-zero follows
        pending = run = 0
        for value in one:
            if value:
                values += pending_values + number(value, chosen.value_bits)
                indices += pending_indices + number(run, chosen.index_bits)
                stored += pending + 1
                pending_values = pending_indices = ""
                pending = run = 0
                continue
            if run == 2**chosen.index_bits - 1:  # this zero is stored
                pending_values += number(0, chosen.value_bits)
                pending_indices += number(run, chosen.index_bits)
                pending += 1
                run = 0
            else:
                run += 1
        pointers += number(stored, chosen.pointer_bits)
    found = {"values": values, "indices": indices}
    return found if chosen.scan == "tensor" else {**found, "pointers": pointers}


def step(chosen, tensor):
    farthest = 2**chosen.index_bits - 1
    values = indices = counts = ""
    for row in rows_of(tensor):
        for start in range(0, len(row), chosen.window):
            stored = at = 0  # `at`: where the window's last entry stands
            for place, value in enumerate(row[start : start + chosen.window]):
                if not value:
                    continue
                while place - at > farthest:
                    at += farthest
                    values += number(0, chosen.value_bits)
                    indices += number(farthest, chosen.index_bits)
                    stored += 1
                values += number(value, chosen.value_bits)
                indices += number(place - at, chosen.index_bits)
                at = place
                stored += 1
            counts += number(stored, width_of(chosen.window + 1))
    return {"values": values, "indices": indices, "counts": counts}


def nm(chosen, tensor):
    values = indices = ""
    for filter_ in tensor:
        for start in range(0, len(filter_), chosen.m):
            for position in range(len(filter_[0])):
                group = [channel[position] for channel in filter_[start : start + chosen.m]]
                group += [0] * (chosen.m - len(group))
                kept = [place for place in range(chosen.m) if group[place]]
                for place in range(chosen.m):
                    if len(kept) < chosen.n and place not in kept:
                        kept.append(place)
                for place in sorted(kept):
                    values += number(group[place], chosen.value_bits)
                    indices += number(place, width_of(chosen.m))
    return {"values": values, "indices": indices}


def shape(chosen, tensor):
    values = indices = ""
    columns = columns_of(tensor)
    for place, column in enumerate(columns):
        if any(column):
            indices += number(place, width_of(len(columns)))
            for value in column:
                values += number(value, chosen.value_bits)
    return {"values": values, "indices": indices}


def block(chosen, tensor):
    values = enable = ""
    for top in range(0, len(tensor), chosen.filters):
        for left in range(0, len(tensor[0]), chosen.channels):
            kernels = [
                kernel
                for filter_ in tensor[top : top + chosen.filters]
                for kernel in filter_[left : left + chosen.channels]
            ]
            enabled = any(value for kernel in kernels for value in kernel)
            enable += "1" if enabled else "0"
            if enabled:
                values += "".join(number(v, chosen.value_bits) for kernel in kernels for v in kernel)
    return {"values": values, "enable": enable}


def pattern(chosen, tensor):
    kernels = {tuple(place for place in range(9) if kernel[place]) for filter_ in tensor for kernel in filter_}
    kernels.discard(())
    library = []
    for wanted in sorted(kernels, key=lambda places: (-len(places), sum(2**p for p in places))):
        if not any(set(wanted) <= set(known) for known in library):
            free = [place for place in range(9) if place not in wanted]
            library.append(sorted([*wanted, *free[: chosen.n - len(wanted)]]))
    values = codes = channels = ""
    pointers, stored = number(0, chosen.pointer_bits), 0
    for filter_ in tensor:
        for c, kernel in enumerate(filter_):
            wanted = {place for place in range(9) if kernel[place]}
            if not wanted:
                continue
            code = [wanted <= set(known) for known in library].index(True)
            codes += number(code, width_of(chosen.patterns))
            channels += number(c, width_of(len(filter_)))
            for place in library[code]:
                values += number(kernel[place], chosen.value_bits)
            stored += 1
        pointers += number(stored, chosen.pointer_bits)
    return {"values": values, "codes": codes, "channels": channels, "pointers": pointers, "table": ""}


TWINS = {
    "dense": dense,
    "bitmap": bitmap,
    "csr": csr,
    "csc": csc,
    "relative": relative,
    "step": step,
    "nm": nm,
    "shape": shape,
    "block": block,
    "pattern": pattern,
}
