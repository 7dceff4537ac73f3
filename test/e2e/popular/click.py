# /// script
# dependencies = ["click"]
# ///
import click
from click.testing import CliRunner


@click.command()
@click.option("--count", default=1, show_default=True)
@click.argument("name")
def greet(count, name):
    """Says hello."""
    for _ in range(count):
        click.echo(f"hello {name}")


def operate():
    runner = CliRunner()
    return [runner.invoke(greet, ["--count", "2", "ada"]).output, runner.invoke(greet, ["--help"]).output]
