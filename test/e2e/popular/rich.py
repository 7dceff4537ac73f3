# /// script
# dependencies = ["rich"]
# ///
import io

from rich.console import Console
from rich.table import Table


def operate():
    table = Table(title="people")
    table.add_column("name")
    table.add_column("year", justify="right")
    table.add_row("[bold]Ada[/bold]", "1815")
    written = io.StringIO()
    Console(file=written, width=40, force_terminal=True, color_system="truecolor").print(table)
    return written.getvalue()
