"""DCNN and DCNN-opt: dense planar tiles by dot products, without and with gates for zeros."""

from dataflows.machines.dcnn.dcnn import Dcnn
from dataflows.machines.dcnn.dcnn_spec import DcnnSpec

__all__ = ["Dcnn", "DcnnSpec"]
