"""Small PyTorch models of many kinds, each with its inputs and its products counted from shapes.

Imported only where torch is present. `ZOO[name]()` gives `(model, inputs, macs)`: macs is None where torch's own
counter of operations knows all operators of the model.
"""

import warnings

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (its usual name)
from torch.nn.utils import parametrizations, prune

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.ao import quantization


class Model(nn.Module):
    """Modules by name and a function of them and the inputs."""

    def __init__(self, run, **modules):
        super().__init__()
        self.run = run
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, *inputs):
        return self.run(self, *inputs)


class MaskedConv(nn.Conv2d):
    """Pruned by hand: three of four weights are multiplied by zero."""

    def forward(self, x):
        kept = torch.arange(self.weight.numel()).view_as(self.weight) % 4 == 0
        return self._conv_forward(x, self.weight * kept, self.bias)


class RoundedLinear(nn.Linear):
    """Weights are rounded to integers before they are used."""

    def forward(self, x):
        return F.linear(x, torch.round(self.weight), self.bias)


class Adapted(nn.Linear):
    """A linear layer with a low-rank adapter beside it."""

    def __init__(self, inputs, outputs, rank):
        super().__init__(inputs, outputs)
        self.down, self.up = nn.Linear(inputs, rank, bias=False), nn.Linear(rank, outputs, bias=False)

    def forward(self, x):
        return super().forward(x) + self.up(self.down(x))


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.qkv, self.out, self.heads = nn.Linear(width, 3 * width), nn.Linear(width, width), heads

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class OwnLstm(nn.LSTM):
    def forward(self, x):
        return super().forward(x)[0]


class OwnGru(nn.GRU):
    def forward(self, x):
        return super().forward(x)[0]


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm, self.second = nn.BatchNorm2d(channels), nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        return F.relu(self.second(F.relu(self.norm(self.first(x)))) + x)


class Rows(nn.Module):
    """A linear layer as addmm, as GPT-2 has it."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.rand(inputs, outputs)), nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return torch.addmm(self.bias, x.flatten(0, -2), self.weight).view(*x.shape[:-1], -1)


def cnn():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(64, 5)
    )


def quiet(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


def dynamic(model, *kinds):
    return quiet(lambda: quantization.quantize_dynamic(model.eval(), set(kinds)))


def static(*, training):
    def run(m, x):
        return m.back(m.last(m.up(m.act(m.first(m.quant(x)))).flatten(1)))

    def make():
        model = Model(
            run, quant=quantization.QuantStub(), first=nn.Conv2d(3, 4, 3), act=nn.ReLU(),
            up=nn.Identity() if training else nn.ConvTranspose2d(4, 4, 2, stride=2),
            last=nn.Linear(144 if training else 576, 5), back=quantization.DeQuantStub(),
        )  # fmt: skip
        x = torch.rand(2, 3, 8, 8)
        if training:
            model.train().qconfig = quantization.get_default_qat_qconfig("x86")
            quantization.prepare_qat(model, inplace=True)(x)
            return model
        model.eval().qconfig = quantization.get_default_qconfig("x86")
        per_tensor = quantization.default_weight_observer
        model.up.qconfig = quantization.QConfig(activation=model.qconfig.activation, weight=per_tensor)
        model = quantization.fuse_modules(model, ["first", "act"])
        quantization.prepare(model, inplace=True)(x)
        return quantization.convert(model, inplace=True)

    return quiet(make)


def pruned():
    model = cnn()
    prune.l1_unstructured(model[0], "weight", amount=0.75)
    return model


def image(*shape):
    return (torch.rand(shape or (2, 3, 8, 8)),)


def functions(run, *shapes, **parameters):
    model = Model(run)
    for name, shape in parameters.items():
        model.register_parameter(name, nn.Parameter(torch.rand(shape)))
    return model, tuple(map(torch.rand, shapes)), None


CONVOLUTIONS = 2 * (8 * 36 * 27 + 4 * 16 * 72 + 64 * 5)
GATES = {nn.LSTM: 4, nn.GRU: 3, nn.RNN: 1, nn.LSTMCell: 4, nn.GRUCell: 3, nn.RNNCell: 1}


def recurrent(kind, gates=0, **options):
    """5 steps of 2 images of 3 features, 4 states; a cell has one step."""
    module = kind(3, 4, **options)
    cell = not isinstance(module, nn.RNNBase)
    ways, depth = (1, 1) if cell else (1 + module.bidirectional, module.num_layers)
    features = [3] + [4 * ways] * (depth - 1)
    macs = sum(ways * 2 * (1 if cell else 5) * (gates or GATES[kind]) * 4 * (one + 4) for one in features)
    return (
        Model(lambda m, x: m.cell(x), cell=module),
        image(*((2, 3) if cell else (2, 5, 3) if module.batch_first else (5, 2, 3))),
        macs,
    )


def twice():
    return Model(lambda m, x: m.a_2(m.a(m.a(x))), a=nn.Linear(4, 4), a_2=nn.Linear(4, 4)), image(2, 4), None


def tied():
    model = Model(lambda m, x: m.out(m.embed(x)), embed=nn.Embedding(9, 4), out=nn.Linear(4, 9, bias=False))
    model.out.weight = model.embed.weight
    return model, (torch.randint(0, 9, (2, 5)),), None


def inferring():
    model = Model(torch.inference_mode()(lambda m, x: m.fc(m.conv(x).flatten(1)) @ m.fc.weight[:, :4]))
    model.conv, model.fc = nn.Conv2d(3, 2, 3), nn.Linear(72, 5)
    return model, image(), 2 * (2 * 36 * 27 + 72 * 5 + 5 * 4)


ZOO = {
    "plain": lambda: (cnn(), image(), None),
    "half": lambda: (cnn().half(), (torch.rand(2, 3, 8, 8).half(),), None),
    "bfloat16": lambda: (cnn().bfloat16(), (torch.rand(2, 3, 8, 8).bfloat16(),), None),
    "channels last": lambda: (
        cnn().to(memory_format=torch.channels_last),
        (image()[0].contiguous(memory_format=torch.channels_last),),
        None,
    ),
    "pruned": lambda: (pruned(), image(), None),
    "tied": tied,
    "weight norm": lambda: (nn.Sequential(parametrizations.weight_norm(nn.Conv2d(3, 4, 3))), image(), None),
    "compiled": lambda: (torch.compile(cnn()), image(), CONVOLUTIONS),
    "scripted": lambda: (torch.jit.script(cnn().eval()), image(), None),
    "traced": lambda: (torch.jit.trace(cnn().eval(), image()), image(), CONVOLUTIONS),
    "exported": lambda: (torch.export.export(cnn().eval(), image()).module(), image(), None),
    "traced by fx": lambda: (torch.fx.symbolic_trace(cnn()), image(), None),
    "over images": lambda: (Model(lambda m, x: torch.vmap(m.fc)(x), fc=nn.Linear(4, 3)), image(2, 5, 4), None),
    "weight norm of old": lambda: (
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.utils.weight_norm(nn.Conv2d(4, 4, 3))), image(), None,
    ),
    "masked in forward": lambda: (nn.Sequential(MaskedConv(3, 4, 3)), image(), None),
    "rounded in forward": lambda: (nn.Sequential(RoundedLinear(6, 4)), image(2, 5, 6), None),
    "adapter": lambda: (nn.Sequential(Adapted(6, 4, 2)), image(2, 5, 6), None),
    "quantization-aware": lambda: (static(training=True), image(), None),
    "quantized": lambda: (static(training=False), image(), 2 * (4 * 36 * 27 + 4 * 144 * 16 + 576 * 5)),
    "dynamic linear": lambda: (dynamic(cnn(), nn.Linear), image(), CONVOLUTIONS),
    "dynamic lstm": lambda: (dynamic(recurrent(nn.LSTM)[0], nn.LSTM), *recurrent(nn.LSTM)[1:]),
    "dynamic gru": lambda: (dynamic(recurrent(nn.GRU)[0], nn.GRU), *recurrent(nn.GRU)[1:]),
    "dynamic cell": lambda: (dynamic(recurrent(nn.LSTMCell)[0], nn.LSTMCell), *recurrent(nn.LSTMCell)[1:]),
    **{kind.__name__: lambda kind=kind: recurrent(kind) for kind in GATES},
    "deep lstm": lambda: recurrent(nn.LSTM, num_layers=2, bidirectional=True),
    "deep gru": lambda: recurrent(nn.GRU, num_layers=3),
    "own lstm": lambda: recurrent(OwnLstm, 4, num_layers=2, bidirectional=True),
    "own lstm of images first": lambda: recurrent(OwnLstm, 4, batch_first=True),
    "own gru": lambda: recurrent(OwnGru, 3),
    "keyword": lambda: (Model(lambda m, x: m.i(input=x), i=nn.Linear(4, 3)), image(2, 4), None),
    "twice": twice,
    "row": lambda: (nn.Sequential(nn.Conv1d(3, 4, 3, padding="same"), nn.Conv1d(4, 2, 2)), image(2, 3, 9), None),
    "video": lambda: (nn.Sequential(nn.Conv3d(2, 4, (3, 2, 3), padding=1)), image(1, 2, 4, 5, 6), None),
    "depthwise": lambda: (nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 6, 1)), image(2, 4, 8, 8), None),
    "transposed": lambda: (
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.ConvTranspose2d(4, 3, 3, stride=2, groups=1)),
        image(),
        2 * (64 * 12 + 17 * 17 * 3 * 4 * 9),
    ),
    "residual": lambda: (nn.Sequential(nn.Conv2d(3, 4, 1), Residual(4), Residual(4)), image(), None),
    "attention": lambda: (Attention(8, 2), image(2, 5, 8), 2 * (5 * 8 * 32 + 2 * 2 * 25 * 4)),
    "encoder": lambda: (nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), image(2, 5, 8),
                        2 * (5 * (4 * 64 + 2 * 96) + 2 * 25 * 8)),
    "decoder": lambda: (
        nn.TransformerDecoderLayer(8, 2, 12, batch_first=True),
        (torch.rand(2, 5, 8), torch.rand(2, 7, 8)),
        2 * (5 * (6 * 64 + 2 * 96) + 7 * 128 + 2 * 25 * 8 + 2 * 35 * 8),
    ),
    "rows": lambda: (nn.Sequential(Rows(6, 8), nn.GELU(), Rows(8, 6)), image(2, 5, 6), None),
    "convolution as a function": lambda: functions(
        lambda m, x: F.conv2d(x, m.w, padding=1), (2, 3, 8, 8), w=(4, 3, 3, 3)
    ),
    "einsum": lambda: functions(lambda _, a, b: torch.einsum("bhid,bhjd->bhij", a, b), (2, 3, 5, 4), (2, 3, 6, 4)),
    "baddbmm": lambda: functions(lambda _, a, b: torch.baddbmm(torch.zeros(1), a, b), (2, 5, 4), (2, 4, 6)),
    "addbmm": lambda: (*functions(lambda _, a, b: torch.addbmm(torch.zeros(1), a, b), (2, 5, 4), (2, 4, 6))[:2], 240),
    "vectors": lambda: (*functions(lambda m, x: torch.dot(x @ m.v, m.v[:3]), (3, 4), v=(4,))[:2], 15),
    "one matrix for all": lambda: functions(lambda m, x: torch.bmm(x, m.w.expand(2, 4, 6)), (2, 5, 4), w=(4, 6)),
    "in place": lambda: (
        *functions(lambda m, x: torch.zeros(5, 6).addmm_(x, m.w), (5, 4), w=(4, 6))[:2], 120,
    ),
    "inference mode": inferring,
}  # fmt: skip


def fresh(name):
    """A model of the zoo in evaluation mode, its inputs and its count; the same for each call."""
    torch.manual_seed(3)
    model, inputs, macs = ZOO[name]()
    return (model if name == "exported" else model.eval()), inputs, macs
