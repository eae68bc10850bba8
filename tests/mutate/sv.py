"""Reads a module of rtl/ as far as single faults need it, and makes the faults.

Not a SystemVerilog parser: it knows the subset that the style of rtl/ allows. A source that
it cannot follow is an error, not a module without faults. Comments, strings and `ifdef
blocks are blanked first, so assertions are never touched and positions stay those of the
file."""

import dataclasses
import hashlib
import re

TOKEN = re.compile(r"""
    (?P<word>\$?[A-Za-z_][\w$]*(?:::\w+)?)
  | (?P<sized>\d*'[sS]?[dDhHbB][0-9a-fA-F_xXzZ]+)
  | (?P<fill>'[01](?![\w']))
  | (?P<number>\d+)
  | (?P<op><<<|>>>|<<|>>|<=|>=|==|!=|&&|\|\||\+:|-:|\+\+|\+=|-=|\|=|&=|\^=|[-+*/%<>=!~&|^?:;,.(){}\[\]@\#'])
""", re.X)
OPEN, CLOSE = "([{", ")]}"
SWAPS = {"+": ("arith", "-"), "-": ("arith", "+"), "==": ("equality", "!="),
         "!=": ("equality", "=="), "&&": ("logic", "||"), "||": ("logic", "&&"),
         "<": ("relational", "<="), "<=": ("relational", "<"), ">": ("relational", ">="),
         ">=": ("relational", ">"), ">>": ("shift", "<<"), "<<": ("shift", ">>"),
         ">>>": ("shift", ">>"), "&": ("bitwise", "|"), "|": ("bitwise", "&"),
         "^": ("bitwise", "|")}
DECLARATIONS = {"localparam", "parameter", "genvar", "import", "typedef", "logic", "wire",
                "int", "integer"}


@dataclasses.dataclass(frozen=True)
class Token:
    text: str
    kind: str
    start: int
    end: int


@dataclasses.dataclass(frozen=True)
class Fault:
    """Replaces text[start:end] of a file by `new`. `before` and `after` are the first line
    that changes, as people read it; `key` survives edits elsewhere in the file."""
    file: str
    kind: str
    start: int
    end: int
    new: str
    line: int
    before: str
    after: str
    key: str


def blank(text):
    """`text` with comments, strings, attributes and `ifdef blocks as spaces."""
    def spaces(match):
        return re.sub(r"[^\n]", " ", match.group())
    text = re.sub(r"//[^\n]*|/\*.*?\*/|\"[^\"\n]*\"|\(\*(?!\s*\)).*?\*\)", spaces, text, flags=re.S)
    return re.sub(r"`ifn?def\b.*?`endif\b", spaces, text, flags=re.S)


def tokens(text):
    found, at = [], 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return found
        match = TOKEN.match(text, at)
        if not match:
            raise ValueError(f"line {text.count(chr(10), 0, at) + 1}: cannot read {text[at:at+20]!r}")
        found.append(Token(match.group(), match.lastgroup, match.start(), match.end()))
        at = match.end()


class Reader:
    """Walks the tokens of one module; `found` collects (kind, start, end, new text)."""

    def __init__(self, text):
        self.text = text
        self.tokens = tokens(blank(text))
        self.at = 0
        self.found = []

    # ---------------------------------------------------------------- walking

    def peek(self, ahead=0):
        place = self.at + ahead
        return self.tokens[place].text if place < len(self.tokens) else ""

    def take(self, want=None):
        token = self.tokens[self.at] if self.at < len(self.tokens) else None
        if token is None or (want and token.text != want):
            line = self.text.count("\n", 0, token.start if token else len(self.text)) + 1
            raise ValueError(f"line {line}: wanted {want}, found {token.text if token else 'the end'}")
        self.at += 1
        return token

    def matching(self, place):
        """Index of the bracket that closes the one at `place`."""
        depth = 0
        for i in range(place, len(self.tokens)):
            if self.tokens[i].text in OPEN:
                depth += 1
            elif self.tokens[i].text in CLOSE:
                depth -= 1
                if depth == 0:
                    return i
        raise ValueError("a bracket is never closed")

    def until(self, *ends):
        """Index of the first of `ends` outside of brackets, from here."""
        i = self.at
        while self.tokens[i].text not in ends:
            i = self.matching(i) + 1 if self.tokens[i].text in OPEN else i + 1
        return i

    def skip_group(self):
        self.at = self.matching(self.at) + 1

    def skip_statement(self):
        self.at = self.until(";") + 1

    def label(self):
        if self.peek() == ":":
            self.at += 2

    # ---------------------------------------------------------------- modules

    def module(self):
        while self.take().text != "module":
            pass
        self.take()
        if self.peek() == "#":
            self.at += 1
            self.skip_group()
        self.skip_group()
        self.take(";")
        while self.peek() != "endmodule":
            self.item()
        return self.found

    def item(self):
        word = self.peek()
        if word in DECLARATIONS:
            self.skip_statement()
        elif word == "assign":
            self.take()
            self.assignment("wire")
        elif word in ("always_ff", "always_comb"):
            self.take()
            if self.peek() == "@":
                self.at += 1
                self.skip_group()
            self.statement("ff" if word == "always_ff" else "comb")
        elif word == "initial":
            kept, self.found = self.found, []
            self.take()
            self.statement("comb")
            self.found = kept
        elif word == "function":
            self.function()
        elif word in ("generate", "endgenerate"):
            self.take()
        elif word in ("for", "if"):
            self.take()
            self.skip_group()
            self.item()
        elif word == "else":
            self.take()
            self.item()
        elif word == "begin":
            self.take()
            self.label()
            while self.peek() != "end":
                self.item()
            self.take("end")
            self.label()
        else:
            self.instance()

    def function(self):
        self.skip_statement()
        while self.peek() != "endfunction":
            if self.peek() in DECLARATIONS:
                self.skip_statement()
            else:
                self.statement("comb")
        self.take()

    def instance(self):
        if self.tokens[self.at].kind != "word":
            self.take("a module's name")
        if self.peek().endswith("_e"):  # a variable of an enum
            self.skip_statement()
            return
        self.take()
        if self.peek() == "#":
            self.at += 1
            self.skip_group()
        self.take()
        end = self.matching(self.at)
        self.take("(")
        while self.at < end:
            self.take(".")
            self.take()
            close = self.matching(self.at)
            self.expression(self.at + 1, close)
            self.at = close + 1
            if self.peek() == ",":
                self.take()
        self.take(")")
        self.take(";")

    # ---------------------------------------------------------------- statements

    def statement(self, where, reset=False):
        word = self.peek()
        if word == ";":
            self.take()
        elif word == "begin":
            self.take()
            self.label()
            while self.peek() != "end":
                self.statement(where, reset)
            self.take("end")
            self.label()
        elif word == "if":
            self.branch(where, reset)
        elif word == "case":
            self.cases(where, reset)
        elif word == "for":
            self.take()
            self.skip_group()
            self.statement(where, reset)
        elif word in DECLARATIONS:
            self.skip_statement()
        else:
            self.assignment(where, reset)

    def branch(self, where, reset):
        self.take("if")
        close = self.matching(self.at)
        inside = self.spelling(self.at + 1, close)
        is_reset = inside.startswith("!rst_ni")
        start, end = self.tokens[self.at + 1].start, self.tokens[close - 1].end
        if not is_reset:
            self.add("negated if", start, end, f"!({self.text[start:end]})")
        self.add("stuck if", start, end, "1'b0")
        if not is_reset:
            self.add("stuck if", start, end, "1'b1")
        self.expression(self.at + 1, close)
        self.at = close + 1
        self.statement(where, reset or is_reset)
        if self.peek() == "else":
            self.take()
            self.statement(where, reset)

    def cases(self, where, reset):
        self.take("case")
        close = self.matching(self.at)
        self.expression(self.at + 1, close)
        self.at = close + 1
        while self.peek() != "endcase":
            if self.peek() == "default" and self.peek(1) != ":":
                self.take()
            else:
                self.at = self.until(":") + 1
            self.statement(where, reset)
        self.take("endcase")

    def assignment(self, where, reset=False):
        first = self.at
        equals = self.until("=", "<=", "|=", "&=", "+=", "-=", "^=")
        end = self.until(";")
        self.at = end + 1
        if where == "ff":
            self.add("dropped assignment", self.tokens[first].start, self.tokens[end].end, ";")
        if reset:
            self.reset_value(equals + 1, end)
        else:
            self.expression(equals + 1, end)
        self.slices(first, equals)

    def reset_value(self, first, end):
        token = self.tokens[first]
        if end == first + 1 and token.kind in ("sized", "fill"):
            zero = token.text == "'0" or not re.search("[1-9a-fA-F]", token.text.split("'")[1][1:])
            new = ("'1" if zero else "'0") if token.kind == "fill" else self.nudge(token, +1)
            self.add("reset value", token.start, token.end, new)
        else:
            start, stop = self.tokens[first].start, self.tokens[end - 1].end
            self.add("reset value", start, stop, f"~({self.text[start:stop]})")

    # ---------------------------------------------------------------- expressions

    def expression(self, first, end):
        """Faults of the tokens first .. end - 1."""
        i = first
        while i < end:
            token = self.tokens[i]
            if token.text == "[":
                i = self.matching(i)
            elif token.text == "(" and self.peek_at(self.matching(i) + 1) in ("'", "{"):
                i = self.matching(i)    # the width of a cast, a count of repetitions
            elif token.text == "?":
                self.ternary(i, first, end)
            elif token.kind in ("sized", "number"):
                self.constant(i)
            elif token.kind == "op":
                self.operator(i, first)
            i += 1
        self.slices(first, end)

    def operator(self, i, first):
        token = self.tokens[i]
        binary = i > first and (self.tokens[i - 1].kind != "op" or self.tokens[i - 1].text in CLOSE)
        if binary and token.text in SWAPS:
            kind, new = SWAPS[token.text]
            self.add(kind, token.start, token.end, new)
        elif not binary and token.text in "!~-":
            self.add("dropped inversion", token.start, token.end, "")

    def constant(self, i):
        token = self.tokens[i]
        after = self.peek_at(i + 1)
        if after == "'" or after == "{" or token.text.startswith("'"):
            return                      # a width or a repetition
        self.add("constant", token.start, token.end, self.nudge(token, +1))
        self.add("constant", token.start, token.end, self.nudge(token, -1))

    @staticmethod
    def nudge(token, step):
        """The literal one higher or lower, in its own width."""
        if token.kind == "number":
            return str(max(int(token.text) + step, 0)) if step > 0 or token.text != "0" else "1"
        width, base, digits = re.match(r"(\d*)'[sS]?([dDhHbB])([\w]+)", token.text).groups()
        radix = {"d": 10, "h": 16, "b": 2}[base.lower()]
        value = (int(digits.replace("_", ""), radix) + step) % (1 << int(width or 32))
        sign = "s" if "s" in token.text.lower().split("'")[1][:1] else ""
        return f"{width}'{sign}h{value:x}"

    def ternary(self, mark, first, end):
        depth, colon, i = 0, None, mark + 1
        while i < end:
            text = self.tokens[i].text
            if text in OPEN:
                i = self.matching(i)
            elif text == "?":
                depth += 1
            elif text == ":" and depth:
                depth -= 1
            elif text == ":" and colon is None:
                colon = i
            elif text in CLOSE or text in (",", ";") or text == ":":
                break
            i += 1
        if colon is None:
            raise ValueError("a ? without its :")
        yes = self.text[self.tokens[mark + 1].start:self.tokens[colon - 1].end]
        no = self.text[self.tokens[colon + 1].start:self.tokens[i - 1].end]
        self.add("swapped arms", self.tokens[mark + 1].start, self.tokens[i - 1].end, f"{no} : {yes}")

    def slices(self, first, end):
        """Every [..] between the tokens, one bit or word off."""
        for i in range(first, end):
            if self.tokens[i].text != "[":
                continue
            close = self.matching(i)
            kept, self.at = self.at, i + 1
            mark = min(self.until(":", "+:", "-:", "]"), close)
            self.at = kept
            low = self.spelling(mark + 1, close)
            left = self.text[self.tokens[i + 1].start:self.tokens[mark - 1].end]
            step = "+ 1" if left == "0" or low == "0" else "- 1"
            new = self.shifted(left, step)
            if self.tokens[mark].text == ":":
                new += ":" + self.shifted(low, step)
                self.add("slice", self.tokens[i + 1].start, self.tokens[close - 1].end, new)
            else:
                self.add("slice", self.tokens[i + 1].start, self.tokens[mark - 1].end, new)

    @staticmethod
    def shifted(text, step):
        if text.isdigit():
            return str(int(text) + (1 if step == "+ 1" else -1))
        return f"({text}) {step}"

    # ---------------------------------------------------------------- small things

    def peek_at(self, i):
        return self.tokens[i].text if i < len(self.tokens) else ""

    def spelling(self, first, end):
        return self.text[self.tokens[first].start:self.tokens[end - 1].end] if end > first else ""

    def add(self, kind, start, end, new):
        if self.text[start:end] != new:
            self.found.append((kind, start, end, new))


def faults(name, text):
    """All faults of a source file, in order of place, each once."""
    try:
        found = Reader(text).module()
    except (ValueError, IndexError) as problem:
        raise SystemExit(f"{name}: {problem}") from None
    made, seen = [], {}
    for kind, start, end, new in sorted(set(found), key=lambda f: (f[1], f[2], f[0], f[3])):
        line = text.count("\n", 0, start) + 1
        old_lines = text.splitlines()
        new_lines = (text[:start] + new + text[end:]).splitlines()
        before = old_lines[line - 1].strip()
        # A fault over several lines shows what is new on one.
        after = " ".join(s.strip() for s in
                         new_lines[line - 1:line + new.count("\n")]).strip()
        place = (kind, before, after)
        seen[place] = seen.get(place, -1) + 1
        key = hashlib.sha1(repr((name, place, seen[place])).encode()).hexdigest()[:12]
        made.append(Fault(name, kind, start, end, new, line, before, after, key))
    return made


def code_lines(text):
    """Lines that are neither blank nor comment nor assertion: the size of a module."""
    return sum(1 for line in blank(text).splitlines() if line.strip())


def hidden_lines(text):
    """Numbers of the lines that blank() empties: comments, assertions."""
    pairs = zip(text.splitlines(), blank(text).splitlines())
    return {i for i, (old, new) in enumerate(pairs, 1) if old.strip() and not new.strip()}


def parts(text):
    """Names of the modules that `text` instantiates."""
    return set(re.findall(r"^\s*(spacc_(?!card_pkg)\w+)\s*(?:#\s*\(|u_\w+\s*\()", blank(text), re.M))
