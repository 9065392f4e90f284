"""Importers load the libraries of their formats only when a file of that format is read."""

import subprocess
import sys

LIBRARIES = {
    "onnx",
    "onnxruntime",
    "torch",
    "safetensors",
    "tflite",
    "flatbuffers",
    "ai_edge_litert",
    "scipy",
    "yaml",
    "PIL",
}


def test_finding_the_importers_loads_no_library_of_a_format():
    code = "import sys, workloads.importers\nassert workloads.importers.importers()\nprint(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not LIBRARIES & set(done.stdout.split())
