"""A stand-in for Aliyun that enforces its documented rules, for the demo and the tests.

It imports nothing of the package but itself, so that it can't share a mistake with what it tests.
"""

from vncproxy.simulator.faults import (
    ANY,
    ApiFault,
    ApiFaultKind,
    FaultQueue,
    GatewayFault,
    GatewayFaultKind,
    Step,
)
from vncproxy.simulator.record import Breach, Call, Dial, PointerReport, PowerCall, TypedKey
from vncproxy.simulator.sabotage import Ending
from vncproxy.simulator.settings import AccessKey, SimulatedInstance, SimulatorSettings
from vncproxy.simulator.simulator import Simulator

__all__ = [
    "ANY",
    "AccessKey",
    "ApiFault",
    "ApiFaultKind",
    "Breach",
    "Call",
    "Dial",
    "Ending",
    "FaultQueue",
    "GatewayFault",
    "GatewayFaultKind",
    "PointerReport",
    "PowerCall",
    "SimulatedInstance",
    "Simulator",
    "SimulatorSettings",
    "Step",
    "TypedKey",
]
