"""Writes cases.json: what Jinja renders of the templates in cases.txt. Run it here.

cases.txt holds templates between lines of dashes. The environment is that of
transformers' chat templates (utils/chat_template_utils.py). Made with
jinja2 3.1.6 and Python 3.11.
"""
import datetime
import json

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
env.filters["tojson"] = tojson
env.globals["raise_exception"] = raise_exception
env.globals["strftime_now"] = datetime.datetime(2025, 3, 4, 15, 6, 7).strftime

variables = json.load(open("variables.json"))
cases = []
for template in open("cases.txt").read().split("\n----\n"):
    try:
        cases.append({"template": template, "text": env.from_string(template).render(**variables)})
    except Exception as e:
        cases.append({"template": template, "error": str(e)})
with open("cases.json", "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases) + "\n]\n")
