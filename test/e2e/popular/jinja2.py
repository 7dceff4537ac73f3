# /// script
# dependencies = ["jinja2"]
# ///
import jinja2


def operate():
    environment = jinja2.Environment(autoescape=True)
    template = environment.from_string("{% for each in names|sort %}<li>{{ loop.index }} {{ each }}</li>{% endfor %}")
    return template.render(names=["b", "<a>"])
