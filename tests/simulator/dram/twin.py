"""A slow DRAM controller, stepped clock by clock, written from the rules in words and from JEDEC's table of gaps.

It keeps requests as objects in plain lists, the last clock of every command of every bank, and checks every gap of the
table for every command it considers. It shares no code with the kernels.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Request:
    transfer: object
    tag: str
    line: int
    write: bool
    group: int
    bank: int
    row: int
    arrival: int
    accepted: int = -1
    met: str = ""

    @property
    def place(self):
        return (self.group, self.bank)

    @property
    def column(self):
        return "WR" if self.write else "RD"


def gap_table(d):
    """(earlier command, later command, scope, gap); scopes: same bank, same bank group, whole rank."""
    burst = d.burst_length // 2
    written = d.nCWL + burst
    return [
        ("ACT", "RD", "bank", d.nRCD),
        ("ACT", "WR", "bank", d.nRCD),
        ("ACT", "PRE", "bank", d.nRAS),
        ("ACT", "ACT", "bank", d.nRC),
        ("ACT", "ACT", "group", d.nRRD_L),
        ("ACT", "ACT", "rank", d.nRRD_S),
        ("PRE", "ACT", "bank", d.nRP),
        ("RD", "PRE", "bank", d.nRTP),
        ("WR", "PRE", "bank", written + d.nWR),
        ("RD", "RD", "rank", max(d.nCCD_S, burst)),
        ("WR", "WR", "rank", max(d.nCCD_S, burst)),
        ("RD", "RD", "group", max(d.nCCD_L, burst)),
        ("WR", "WR", "group", max(d.nCCD_L, burst)),
        ("RD", "WR", "rank", d.nRTW),
        ("WR", "RD", "rank", written + d.nWTR_S),
        ("WR", "RD", "group", written + d.nWTR_L),
        ("ACT", "PREA", "rank", d.nRAS),
        ("RD", "PREA", "rank", d.nRTP),
        ("WR", "PREA", "rank", written + d.nWR),
        ("PREA", "ACT", "rank", d.nRPab),
        ("PRE", "REF", "rank", d.nRP),
        ("PREA", "REF", "rank", d.nRPab),
        ("ACT", "REF", "rank", d.nRC),
        ("REF", "REF", "rank", d.nRFC),
        ("REF", "ACT", "rank", d.nRFC),
    ]


@dataclass
class SlowChannel:
    """One channel; `offers` holds, per tag, the requests still to be accepted, in order."""

    spec: object
    tags: list
    clock: int = 0
    open_row: dict = field(default_factory=dict)
    owner: dict = field(default_factory=dict)
    reads: list = field(default_factory=list)
    writes: list = field(default_factory=list)
    log: list = field(default_factory=list)
    served: list = field(default_factory=list)  # (request, end, how it met its row)
    serving_writes: bool = False
    refreshes_due: int = 0
    open_clocks: int = 0

    def __post_init__(self):
        self.device = self.spec.device
        self.table = gap_table(self.device)
        self.offers = {tag: [] for tag in self.tags}
        self.turn = len(self.tags) - 1
        self.last = {}
        self.earliest = {}
        self.activates = []

    def step(self):
        self.accept()
        if self.spec.refresh and self.clock and self.clock % self.device.nREFI == 0:
            self.refreshes_due += 1
        self.command()
        self.open_clocks += bool(self.open_row)
        self.clock += 1

    def accept(self):
        for ahead in range(1, len(self.tags) + 1):
            turn = (self.turn + ahead) % len(self.tags)
            offers = self.offers[self.tags[turn]]
            if not offers or offers[0].arrival > self.clock:
                continue
            queue, size = (
                (self.writes, self.spec.write_buffer) if offers[0].write else (self.reads, self.spec.read_queue)
            )
            if len(queue) < size:
                self.turn = turn
                request = offers.pop(0)
                request.accepted = self.clock
                if not request.write and any(other.line == request.line for other in self.writes):
                    self.served.append((request, self.clock + self.data_clocks(request), "forwarded"))
                else:
                    queue.append(request)
                return

    def legal(self, command, place=None):
        """Whether all gaps of the table are kept; remembered until the next command, as only commands change it."""
        if (command, place) not in self.earliest:
            clocks = [
                when + gap
                for earlier, later, scope, gap in self.table
                if later == command
                for where, when in self.last.get(earlier, {}).items()
                if scope == "rank" or where == place or (scope == "group" and where[0] == place[0])
            ]
            if command == "ACT" and len(self.activates) >= 4:
                clocks.append(self.activates[-4] + self.device.nFAW)
            self.earliest[command, place] = max(clocks, default=0)
        return self.earliest[command, place] <= self.clock

    def issue(self, command, place=None):
        self.earliest.clear()
        self.last.setdefault(command, {})[place] = self.clock
        self.log.append((self.clock, command, place))
        if command == "ACT":
            self.activates.append(self.clock)

    def command(self):
        ready = [r for r in self.owner.values() if self.legal(r.column, r.place)]
        if ready:
            self.serve(min(ready, key=lambda r: r.accepted))
            return
        if self.refreshes_due:
            self.refresh()
            return
        self.settle_direction()
        queue = self.writes if self.serving_writes else self.reads
        for request in queue:  # in the order of acceptance: the first that is ready is the oldest
            command = self.next_command(request, queue)
            if command and self.legal(command, request.place):
                self.carry_out(request, command, queue)
                return

    def refresh(self):
        if self.open_row:
            if not self.owner and self.legal("PREA"):
                self.issue("PREA")
                self.open_row.clear()
        elif self.legal("REF"):
            self.issue("REF")
            self.refreshes_due -= 1

    def settle_direction(self):
        if not self.serving_writes:
            self.serving_writes = len(self.writes) >= self.spec.drain_start or not self.reads
        elif len(self.writes) <= self.spec.drain_stop and self.reads:
            self.serving_writes = False

    def next_command(self, request, queue):
        if request.place not in self.open_row:
            return "ACT"
        if self.open_row[request.place] == request.row:
            return request.column
        if request.place in self.owner:
            return None
        if self.spec.scheduler == "row_hit":
            for other in queue:
                hit = other.place == request.place and other.row == self.open_row[other.place]
                if hit and other.accepted < request.accepted:
                    return None
        return "PRE"

    def carry_out(self, request, command, queue):
        if command == "ACT":
            self.issue("ACT", request.place)
            request.met = request.met or "miss"
            self.open_row[request.place] = request.row
            self.owner[request.place] = request
            queue.remove(request)
        elif command == "PRE":
            self.issue("PRE", request.place)
            request.met = "conflict"
            del self.open_row[request.place]
        else:
            queue.remove(request)
            self.serve(request)

    def serve(self, request):
        self.issue(request.column, request.place)
        if self.owner.get(request.place) is request:
            del self.owner[request.place]
        self.served.append((request, self.clock + self.data_clocks(request), request.met or "hit"))

    def data_clocks(self, request):
        return (self.device.nCWL if request.write else self.device.nCL) + self.device.burst_length // 2

    def count(self, *commands):
        return sum(name in commands for _, name, _ in self.log)


class SlowDram:
    """All channels, burst by burst; every request finds its channel and bank by plain arithmetic on its address."""

    def __init__(self, spec, tags):
        self.spec, self.device = spec, spec.device
        self.channels = [SlowChannel(spec, tags) for _ in range(spec.channels)]
        self.asked = {}

    def submit(self, transfer, runs, *, write, cycle, tag):
        burst = self.device.burst_bytes
        self.asked[transfer] = 0
        for address, size in runs:
            for line in range(address // burst, (address + size - 1) // burst + 1):
                turn, within = divmod(line * burst, self.spec.interleave_bytes)
                channel = turn % self.spec.channels
                local = (turn // self.spec.channels * self.spec.interleave_bytes + within) // burst
                place = self.decode(local)
                request = Request(transfer, tag, local, write, place["Bg"], place["Ba"], place["Ro"], cycle)
                self.channels[channel].offers[tag].append(request)
                self.asked[transfer] += 1

    def decode(self, line):
        sizes = {
            "Ro": self.device.rows,
            "Ba": self.device.banks_per_group,
            "Bg": self.device.bank_groups,
            "Co": self.device.columns // self.device.burst_length,
        }
        place = {}
        for at in (6, 4, 2, 0):
            name = self.spec.address_map[at : at + 2]
            line, place[name] = divmod(line, sizes[name])
        return place

    def run(self, until):
        for channel in self.channels:
            while channel.clock < until:
                channel.step()

    def served(self):
        return [entry for channel in self.channels for entry in channel.served]

    def ends(self):
        """Transfer -> clock at which its last data ended, of those that are complete."""
        ends, left = {}, dict(self.asked)
        for request, end, _ in self.served():
            ends[request.transfer] = max(ends.get(request.transfer, 0), end)
            left[request.transfer] -= 1
        return {transfer: end for transfer, end in ends.items() if left[transfer] == 0}
