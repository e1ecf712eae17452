"""The built-in screen: a small RFB server of its own, and what it draws."""
