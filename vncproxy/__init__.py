"""Open the VNC console of an Alibaba Cloud ECS instance in a browser, and keep it open."""

__version__ = "0.1.0"
