#!/usr/bin/env python3
"""What transformers makes of chat templates: the oracle of internal/jinja.

    python3 tools/reference/templates.py --out internal/jinja/testdata

reads the templates *.jinja there (SmolLM2's, Qwen3's of its first release and later, and Llama 3's own), renders
several conversations with each, and many small templates that show one rule of Jinja
each, and writes golden.json. It needs transformers, and no weights.
"""
import argparse
import datetime
import json
import pathlib

from transformers.utils import chat_template_utils

NOW = datetime.datetime(2026, 11, 28, 9, 5, 7)

SYSTEM = {"role": "system", "content": "You are terse.\nAlways."}
ASK = {"role": "user", "content": "  What is <|im_end|> \"this\"? 日本語 🎬 'é'\n\n"}
ANSWER = {"role": "assistant", "content": "It is a token."}
THOUGHT = {"role": "assistant", "content": "<think>\nlet me see\nwell\n</think>\n\nFour."}
NEXT = {"role": "user", "content": "And two and two?"}
TOOLS = [{"type": "function", "function": {"name": "look", "description": "Looks <up> & down", "parameters": {
    "type": "object", "properties": {"what": {"type": "string"}, "n": {"type": "number", "default": 1.5}}, "required": ["what"]}}}]
CALL = {"role": "assistant", "content": "", "tool_calls": [
    {"type": "function", "function": {"name": "look", "arguments": {"what": "é/\"x\"", "n": 2, "deep": [1, None, True, {"a": 1e-7}]}}},
    {"type": "function", "function": {"name": "look", "arguments": "{\"what\": 1}"}}]}
RESULT = {"role": "tool", "content": "a cat"}

CONVERSATIONS = {
    "one": [ASK],
    "system": [SYSTEM, ASK],
    "turns": [SYSTEM, ASK, ANSWER, NEXT],
    "thought": [ASK, THOUGHT, NEXT],
    "thought_last": [ASK, THOUGHT],
    "reasoning": [ASK, {"role": "assistant", "content": "Four.", "reasoning_content": "2+2"}],
    "system_later": [ASK, ANSWER, SYSTEM, NEXT],
    "empty": [{"role": "user", "content": ""}],
}

# Each is one rule, or a few that belong together.
SNIPPETS = [
    # white space: trim_blocks, lstrip_blocks, and signs
    "a\n  {% if true %}\n  b\n  {% endif %}\nc\n",
    "a\n  {%+ if true %}\n  b\n  {%+ endif +%}\nc",
    "a  {%- if true -%}  b  {%- endif -%}  c",
    "a {{- 'b' -}} c\n{{ 'd' }}\ne\n\n",
    "x {# note #}\ny\n   {# another -#}   z {#- third #} w",
    "  {{ 1 }}\n  {{ 2 }}\n",
    "{% for i in [1,2] %}\n  - {{ i }}\n{% endfor %}\nend",
    "{%- for i in [1,2] -%}\n\n {{ i }} {%- endfor +%}\nend",
    "one{% raw %}  {{ not }} {% if %} {# x #}\n{% endraw %}\ntwo",
    "one\n  {%- raw -%}  {{ a }}  {%- endraw -%}  \ntwo",
    "\r\na\r\n{% if true %}\r\nb{% endif %}\rc",
    "{% set a = 1 %}\n\n{% set b = 2 %}\n{{ a }}{{ b }}\n",
    "{{ '}}' }}{{ \"%}\" }}{% set x = '{{' %}{{ x }}",
    "{% if true %}\n\n  a\n\n{% endif %}",
    # literals and what they are written as
    "{{ 1 }} {{ 1_000 }} {{ 1.0 }} {{ 1e3 }} {{ 1.5e-7 }} {{ 1e16 }} {{ 1e22 }} {{ 123456789.125 }}",
    "{{ true }} {{ True }} {{ none }} {{ None }} {{ false }}",
    "{{ 'a' 'b' \"c\" }} {{ 'it\\'s' }} {{ \"\\u00e9\\x41\\t|\\n|\\\\\" }} {{ '\\d\\101' }}",
    "{{ [1, 'a', none, true, 1.5] }} {{ (1,) }} {{ (1, 2) }} {{ [] }} {{ () }} {{ {} }} {{ {'a': [1], 'b': {'c': 'd'}} }}",
    "{{ ['it\\'s', 'say \"hi\"', 'both \\' and \"', 'a\\nb\\t\\\\', 'é日\\u200b\\x07'] }}",
    "{{ 1, 2 }}",
    # arithmetic
    "{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 6 / 2 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }}",
    "{{ 1 + 2 * 3 }} {{ (1 + 2) * 3 }} {{ -2 ** 2 }} {{ 1 ~ 2 + 3 }} {{ 'a' ~ 1.0 ~ none ~ true }} {{ -1|abs }} {{ 2 - -3 }} {{ +4 }}",
    "{{ 'ab' * 3 }} {{ 2 * 'x' }} {{ 'a' + 'b' }} {{ [1] + [2] }} {{ true + 1 }}",
    # comparisons and logic
    "{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ 'a' == 1 }} {{ none == none }}",
    "{{ 1 in [1, 2] }} {{ 'b' in 'abc' }} {{ 'x' not in {'x': 1} }} {{ not 1 in [1] }} {{ 3 not in (1, 2) }}",
    "{{ 0 or 'x' }} {{ '' or none }} {{ 1 and 2 }} {{ 0 and 1 }} {{ not '' }} {{ not not 1 }} {{ true and not false or x.y }}",
    "{{ 'a' if true else 'b' }} {{ 'a' if false }} {{ 'a' if 0 else 'b' if 0 else 'c' }} {{ ('x' if nothing else 'y') ~ 'z' }}",
    # what is not there
    "[{{ nothing }}] {{ nothing is defined }} {{ nothing is undefined }} {{ d.nothing is defined }} {{ d['nothing'] is not defined }} {{ nothing|default('x') }} {{ ''|d('y') }} {{ ''|d('y', true) }} {{ none|default('z') }} {{ nothing|length }} {% for i in nothing %}{% else %}none{% endfor %}",
    "{{ [1, 2][5] is defined }} {{ 'abc'[7] is defined }} {{ nothing == other }} {{ not nothing }} {{ d.a.b is defined }}",
    # items, attributes, slices
    "{{ d.a }} {{ d['a'] }} {{ d.get('a') }} {{ d.get('q') }} {{ d.get('q', 3) }} {{ l[0] }} {{ l[-1] }} {{ l.0 }} {{ d.list[1].x }}",
    "{{ l[1:] }} {{ l[:-1] }} {{ l[::-1] }} {{ l[::2] }} {{ l[-2:] }} {{ l[5:] }} {{ l[:] }} {{ l[2:0:-1] }} {{ 'héllo'[1:3] }} {{ 'héllo'[::-1] }} {{ 'abc'[-1] }} {{ (1,2,3)[1:] }} {{ l[none:2] }}",
    "{{ d.keys()|list }} {{ d.values()|list|length }} {% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k in d %}{{ k }} {% endfor %}{% for c in 'añb' %}{{ c }}.{% endfor %}",
    # methods of texts
    "{{ '  a b '.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'xyaxy'.lstrip('yx') }}|{{ 'a\\n\\n'.rstrip('\\n') }}|{{ '\\u3000a\\u00a0'.strip() }}",
    "{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a b c'.split(' ', 1) }} {{ 'a b c'.rsplit(' ', 1) }} {{ ' a  b c '.split(none, 1) }} {{ ' a  b c '.rsplit(none, 1) }} {{ ''.split(',') }} {{ ''.split() }} {{ 'a</t>b'.split('</t>')[-1] }}",
    "{{ 'Hello'.upper() }} {{ 'HeLLo'.lower() }} {{ 'hELLO wORLD'.capitalize() }} {{ \"they're bill's\".title() }} {{ 'straße'.upper() }}",
    "{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'c')) }} {{ 'abcabc'.find('c') }} {{ 'abc'.find('z') }} {{ 'éabc'.rfind('c') }} {{ 'aXbX'.replace('X', '-') }} {{ 'aaa'.replace('a', 'b', 2) }} {{ 'abab'.count('ab') }} {{ 'abc'.index('c') }}",
    "{{ ', '.join(['a', 'b']) }} {{ 'a\\nb\\r\\nc\\n'.splitlines() }} {{ '12'.isdigit() }} {{ 'ab1'.isalpha() }} {{ 'AB'.isupper() }} {{ ' '.isspace() }} {{ 'a1'.isalnum() }} {{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.py'.removesuffix('.py') }}",
    # filters
    "{{ l|length }} {{ 'abc'|count }} {{ l|first }} {{ l|last }} {{ l|join(', ') }} {{ l|join }} {{ l|sum }} {{ l|max }} {{ l|min }} {{ l|reverse|list }} {{ 'abc'|reverse }} {{ [3,1,2]|sort }} {{ ['b','A','c']|sort }} {{ [1,2]|sort(reverse=true) }}",
    "{{ '  x '|trim }}| {{ 'aBc'|upper }} {{ 'aBc'|lower }} {{ 'hello WORLD'|capitalize }} {{ 'hello wORLD'|title }} {{ 'a-b'|replace('-', '+') }} {{ 'xax'|trim('x') }}",
    "{{ '42'|int }} {{ 'x'|int(7) }} {{ 3.9|int }} {{ '2.5'|float }} {{ 3|float }} {{ 2.5|round }} {{ 2.567|round(2) }} {{ 2.1|round(0, 'ceil') }} {{ -3|abs }} {{ 5|string ~ 'x' }} {{ [1, 'a']|string }}",
    "{{ d|tojson }}\n{{ d|tojson(indent=2) }}\n{{ ['<a href=\"x\">&é', '\\u2028', 'tab\\t\\x01/'] | tojson }} {{ [1.0, 1e20, 1e-7, true, none]|tojson }} {{ []|tojson(indent=2) }} {{ {}|tojson }} {{ {'a': {}, 'b': []}|tojson(indent=4) }} {{ [1, 2]|tojson(separators=(',', ':')) }}",
    "{{ people|map(attribute='name')|join(', ') }} {{ people|selectattr('age', 'gt', 30)|map(attribute='name')|list }} {{ people|rejectattr('age', 'equalto', 40)|list|length }} {{ people|selectattr('nick')|list|length }} {{ people|selectattr('nick', 'defined')|list|length }} {{ people|map(attribute='nick', default='-')|list }} {{ ['a', 'b']|map('upper')|list }}",
    "{{ [1, 2, 3, 4]|select('even')|list }} {{ [1, 2, 3]|reject('odd')|list }} {{ [0, 1, '']|select|list }} {{ ['a', 'A', 'b']|unique|list }} {{ {'b': 1, 'A': 2}|dictsort }} {{ people|sort(attribute='age')|map(attribute='name')|list }} {{ d|items|list|length }} {{ people|join(', ', attribute='name') }} {{ 'a b  c'|wordcount }}",
    "{{ 'a\\nb\\n\\nc'|indent }}|{{ 'a\\nb'|indent(2, true) }}|{{ 'a\\n\\nb'|indent(1, blank=true) }}|{{ 'a\\nb'|indent('> ') }}",
    # tests
    "{{ 1 is number }} {{ 1 is integer }} {{ 1.5 is float }} {{ true is boolean }} {{ true is number }} {{ true is integer }} {{ 'a' is string }} {{ d is mapping }} {{ l is iterable }} {{ l is sequence }} {{ d is sequence }} {{ 'a' is sequence }} {{ none is none }} {{ 3 is odd }} {{ 4 is even }} {{ 6 is divisibleby 3 }} {{ 6 is divisibleby(4) }} {{ 'A' is upper }} {{ 'a' is lower }} {{ range is callable }} {{ 1 is eq 1 }} {{ 1 is ne(2) }} {{ 1 is in [1] }} {{ true is true }} {{ 1 is true }} {{ false is false }} {{ none is not none }} {{ none is sameas none }} {{ d.a is string and d.a == 'é' }}",
    # loops
    "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem is defined }}{{ loop.cycle('a', 'b') }}{{ loop.depth }};{% endfor %}",
    "{% for x in l if x != 2 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% else %}never{% endfor %}{% for x in [] %}a{% else %}empty{% endfor %}",
    "{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x > 4 %}{% break %}{% endif %}{{ x }}{% endfor %} {{ range(3)|list }} {{ range(1, 4)|list }} {{ range(5, 0, -2)|list }}",
    "{% for a, b in [(1, 2), [3, 4]] %}{{ a }}{{ b }} {% endfor %}{% for (a, b) in [(5, 6)] %}{{ a + b }}{% endfor %}{% for x in [1, 2] %}{% for y in [3] %}{{ loop.depth }}{{ x }}{{ y }}{% endfor %}{{ loop.index }}{% endfor %}",
    "{% for x in [1, 1, 2] %}{{ loop.changed(x) }} {% endfor %}",
    # scopes
    "{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}{% if true %}{% set x = 9 %}{% endif %}{{ x }}",
    "{% set ns = namespace(n=0, s='') %}{% for i in [1, 2, 3] %}{% set ns.n = ns.n + i %}{% set ns.s = ns.s ~ i %}{% endfor %}{{ ns.n }} {{ ns.s }} {{ ns.q is defined }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set c = a, b %}{{ c }}{% set t %}\n  block {{ a }}\n{% endset %}[{{ t }}]{% set u | upper | trim %} x {% endset %}[{{ u }}]",
    "{% for x in [1] %}{% endfor %}{{ x is defined }}{% set loop = 'mine' %}{{ loop }}",
    # macros
    "{% macro hi(name, greet='Hello', mark='') %}{{ greet }} {{ name }}{{ mark }}!{% endmacro %}{{ hi('Ann') }} {{ hi('Bo', 'Hey') }} {{ hi(name='Cy', greet='Yo', mark='.') }}",
    "{%- macro item(x, depth=0) -%}\n{{ x }}{% if depth < 2 %}{{ item(x + 1, depth + 1) }}{% endif %}\n{%- endmacro -%}\n[{{ item(1) }}] {{ item(5)|length }} {% set s = item(7) ~ '!' %}{{ s }}",
    "{% set outer = 'o' %}{% macro m() %}{{ outer }}{% set outer = 'inner' %}{{ outer }}{% endmacro %}{{ m() }}{{ outer }}",
    "{% if false %}a{% elif 1 > 2 %}b{% elif 'x' %}c{% else %}d{% endif %}",
    "{% generation %}x{{ 1 }}{% endgeneration %}y",
    "{{ strftime_now('%d %b %Y') }} {{ strftime_now('%Y-%m-%dT%H:%M:%S %A %B %j %%') }}",
    "{{ dict(a=1) }} {{ dict(a=1).a }} {{ namespace(a=1).a }}",
    "{{ bos_token }}{{ messages[0]['content'] | trim }}",
    "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}{% for m in rest %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}{{ m.role }}{% endfor %}",
    "{% set ns = namespace(found=false) %}{% for m in messages %}{% if m.role == 'user' and not ns.found %}{% set ns.found = true %}first{% elif m.role == 'user' %}more{% endif %}{% endfor %}",
    # what fails
    "{{ raise_exception('no') }}",
    "{{ nothing.x }}", "{{ nothing + 1 }}", "{{ 'a' + 1 }}", "{{ 1 // 0 }}", "{{ nothing() }}", "{% set ns = 1 %}{% set ns.x = 2 %}", "{{ l.append(1) }}", "{{ 1 < 'a' }}", "{{ ''.join([1]) }}",
    "{{ l.__class__ }}", "{{ ''.__class__.__mro__ }}", "{{ d.pop('a') }}", "{{ 1|nofilter }}", "{{ 1 is notest }}", "{% nothing %}", "{% if %}{% endif %}", "{% for x in l %}", "{{ 1 + }}", "{{ (1 }}", "{{ 'a", "{# a", "{% break %}", "{% include 'x' %}", "{% import 'x' as y %}", "{{ [1, 2 }}", "{% macro m(a=1, b) %}{% endmacro %}", "{{ {1: 2 }", "{% endfor %}",
]

VALUES = {
    "d": {"a": "é", "n": 1, "list": [1, {"x": 2.5}], "none": None, "yes": True},
    "l": [1, 2, 3],
    "people": [{"name": "Ann", "age": 40, "nick": ""}, {"name": "Bo", "age": 20}, {"name": "Cy", "age": 31, "nick": "C"}],
    "messages": [{"role": "user", "content": " hi "}, {"role": "assistant", "content": "yo"}, {"role": "user", "content": "ok"}],
    "bos_token": "<s>",
}


class Clock(datetime.datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz=None):
        return NOW


def render(source, values):
    try:
        template = chat_template_utils._compile_jinja_template(source)
        return {"want": template.render(**values)}
    except Exception as e:  # whatever Jinja refuses
        return {"error": type(e).__name__}


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--out", type=pathlib.Path, required=True)
    out = args.parse_args().out
    chat_template_utils.datetime = Clock
    cases = []
    for path in sorted(out.glob("*.jinja")):
        conversations = dict(CONVERSATIONS)
        extra = {}
        if path.stem.startswith("qwen3"):
            conversations["tools"] = [SYSTEM, ASK, CALL, RESULT, RESULT, ANSWER, NEXT]
            conversations["tools_open"] = [ASK, CALL, RESULT]
        for name, messages in conversations.items():
            for prompt in (True, False):
                values = {"messages": messages, "add_generation_prompt": prompt, "bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}
                if name.startswith("tools"):
                    values["tools"] = TOOLS
                if path.stem.startswith("qwen3") and name in ("turns", "thought"):
                    values["enable_thinking"] = name == "thought"
                cases.append({"file": path.name, "values": values, **render(path.read_text(), values)})
    for source in SNIPPETS:
        cases.append({"source": source, **render(source, VALUES)})
    golden = {"values": VALUES, "now": NOW.isoformat(), "cases": cases}
    (out / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")
    failed = sum("error" in c for c in cases)
    print(f"{len(cases)} cases, {failed} of which Jinja refuses")


if __name__ == "__main__":
    main()
