"""What a command line would do: install something, only look, work for us, or anything else."""

import os
import re
import shlex

_LOOKING = {
    "ls", "cat", "head", "tail", "wc", "pwd", "echo", "date", "uname", "which", "lscpu", "nproc", "free", "df", "du",
    "whoami", "hostname", "file", "stat", "grep", "egrep", "zgrep", "zcat", "cut", "tr", "tree", "nvidia-smi", "printf",
    "lsb_release", "sysctl", "fc-list", "ldconfig", "md5sum", "sha256sum", "true", "uptime", "column", "nl", "basename",
    "dirname", "realpath", "sort", "uniq", "less", "more", "cd", "printenv", "sw_vers", "system_profiler", "stty",
    "type", "test", "id", "locale", "sleep", "diff", "cmp", "od", "xxd", "strings", "jq", "dir", "gzcat", "bc", "seq",
}  # fmt: skip
_INSTALLING = {
    "pip", "pip3", "conda", "mamba", "micromamba", "apt", "apt-get", "yum", "dnf", "brew", "apk", "uv", "poetry",
    "easy_install", "npm", "pipenv", "pacman",
}  # fmt: skip
#: Those of them that install Python packages.
_PYTHON_INSTALLING = {"pip", "pip3", "conda", "mamba", "micromamba", "uv", "poetry", "pipenv", "easy_install"}
#: Options of theirs that take a value.
_VALUED = {
    "-r", "--requirement", "-c", "--constraint", "--channel", "-i", "--index-url", "--extra-index-url", "-f", "-t",
    "--find-links", "--target", "-n", "--name", "-p", "--prefix", "--python", "--file", "--trusted-host", "--group",
    "--proxy", "--timeout", "--cache-dir", "--root",
}  # fmt: skip
_INSTALL_VERBS = {"install", "update", "upgrade", "add", "uninstall", "remove", "sync", "create", "-S"}
_PYTHON = re.compile(r"^(python|pypy)[\d.]*(\.exe)?$")
_OUTPUT = re.compile(r"(?<![0-9&])[12]?>>?\s*(?!\s*(/dev/null|&[12]))")


def judge(command):
    """``(kind, text)`` of a command, given as text for a shell or as a list of words.

    ``kind`` is ``install``, ``harmless`` (it only looks), ``worker`` (a process that a library starts to compute in)
    or ``other``.
    """
    if isinstance(command, (str, bytes)):
        text = os.fsdecode(command)
        return _judge_line(text), text.strip()
    words = [os.fsdecode(word) if isinstance(word, (str, bytes)) else str(word) for word in command]
    text = " ".join(words)
    if len(words) >= 3 and os.path.basename(words[0]) in {"sh", "bash", "zsh", "dash"} and words[-2] == "-c":
        return _judge_line(words[-1]), words[-1].strip()
    return _judge_words(words), text


def installs_of(text):
    """The Python packages that an installing command names: ``pip install -q a b==2`` -> ``["a", "b==2"]``."""
    found = []
    for words in _commands(text) or []:
        verbs = [place for place, word in enumerate(words) if word in _INSTALL_VERBS]
        tools = {os.path.basename(word) for word in words[: verbs[0]]} if verbs else set()
        if not tools & _PYTHON_INSTALLING:
            continue
        words = words[verbs[0] + 1 :]
        for before, word in zip(["", *words], words):
            if not word.startswith("-") and before not in _VALUED:
                # conda writes one sign where pip writes two.
                found.append(re.sub(r"(?<=[\w.])=(?=[\w.])", "==", word) if tools & {"conda", "mamba"} else word)
    return found


def _judge_line(text):
    kinds = [_judge_words(words) for words in _commands(text) or [["?"]]]
    if "install" in kinds and set(kinds) <= {"install", "harmless"}:
        return "install"
    if set(kinds) == {"harmless"} and not _OUTPUT.search(text) and "`" not in text and "$(" not in text:
        return "harmless"
    return "other"


def _commands(text):
    """The simple commands in a shell line, each as its words; None if it can't be read."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    lexer.commenters = "#"
    found, words = [], []
    try:
        for token in lexer:
            if token and set(token) <= set("|&;\n"):
                if words:
                    found.append(words)
                words = []
            else:
                words.append(token)
    except ValueError:
        return None
    if words:
        found.append(words)
    return found


def _judge_words(words):
    words = list(words)
    while words and (words[0] == "sudo" or re.match(r"^\w+=", words[0])):
        words.pop(0)
    if not words:
        return "harmless"
    name = os.path.basename(words[0])
    rest = words[1:]
    if _PYTHON.match(name):
        return _judge_python(rest)
    if name in _INSTALLING:
        if any(word in _INSTALL_VERBS for word in rest):
            return "install"
        return "harmless" if rest[:1] and rest[0] in {"list", "show", "freeze", "info", "--version", "-V"} else "other"
    if name == "find":
        return (
            "other" if any(word in {"-exec", "-execdir", "-delete", "-ok", "-fprint"} for word in rest) else "harmless"
        )
    if name == "git":
        verb = next((word for word in rest if not word.startswith("-")), "")
        return "harmless" if verb in {"describe", "rev-parse", "log", "status", "diff", "show", "branch"} else "other"
    if name in {"gcc", "cc", "ld", "clang"} and ("-t" in rest or "-Wl,-t" in rest):
        return "harmless"  # how ctypes finds a library
    if name in {"sort"} and "-o" in rest:
        return "other"
    return "harmless" if name in _LOOKING else "other"


def _judge_python(rest):
    if rest[:1] and rest[0] in {"--version", "-V", "-VV"}:
        return "harmless"
    while rest and re.match(r"^-[BEIOSsuqvb]+$|^-[WX]", rest[0]):
        rest = rest[2:] if rest[0] in {"-W", "-X"} else rest[1:]
    if rest[:2] == ["-m", "pip"] or rest[:2] == ["-m", "conda"]:
        return _judge_words(["pip", *rest[2:]])
    if rest[:1] == ["-m"] and len(rest) > 1 and re.match(r"joblib\.externals\.loky\.|loky\.", rest[1]):
        return "worker"
    if rest[:1] == ["-c"] and len(rest) > 1 and _is_worker_code(rest[1]):
        return "worker"
    return "other"


def _is_worker_code(code):
    return bool(
        re.match(r"\s*from (multiprocessing|joblib\.externals\.loky|loky)[\w.]* import (main|spawn_main)", code)
    )
