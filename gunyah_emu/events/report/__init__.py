"""A run as one page that a browser opens from a file: timeline, consoles, tables; nothing is fetched from anywhere."""

from gunyah_emu.events.report.page import write_report
from gunyah_emu.events.report.recent import MAX_EVENTS, Recent

__all__ = ["MAX_EVENTS", "Recent", "write_report"]
