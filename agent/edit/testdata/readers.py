"""Reads configuration files as their own programs do, for the tests: one JSON request a line, one JSON answer a line.

A request is {"reader": NAME, "file": TEXT}; the answer is {"value": what the file holds} or {"error": why not}."""

import configparser
import ctypes
import glob
import json
import os
import sys
import tempfile
import tomllib

import yaml

scratch = os.path.join(tempfile.mkdtemp(), "file")
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
libc.fclose.argtypes = [ctypes.c_void_p]
systemd = ctypes.CDLL(glob.glob("/usr/lib/*/systemd/libsystemd-shared-*.so")[0])
pam = ctypes.CDLL("libpam.so.0")


def written(text):
    with open(scratch, "w", newline="", encoding="utf-8") as file:
        file.write(text)
    return scratch.encode()


def ini(text):
    parser = configparser.RawConfigParser()
    parser.read(written(text).decode())
    return {section: dict(parser.items(section)) for section in parser.sections()}


def python(text):
    parser = configparser.ConfigParser()
    parser.read(written(text).decode())
    return {section: dict(parser.items(section)) for section in parser.sections()}


CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint, ctypes.c_char_p, ctypes.c_uint,
    ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p)
LOOKUP = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p),
    ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p)


def unit(text):
    """config_parse of systemd, the parser of unit files."""
    found = {}

    def assignment(_unit, _file, _line, section, _at, key, _type, value, _data, _user):
        found.setdefault(section.decode(), {}).setdefault(key.decode(), []).append(value.decode())
        return 0

    callback = CALLBACK(assignment)

    def lookup(_table, _section, _key, function, kind, data, _user):
        function[0] = ctypes.cast(callback, ctypes.c_void_p).value
        kind[0] = 0
        data[0] = None
        return 1

    file = ctypes.c_void_p(libc.fopen(written(text), b"re"))
    result = systemd.config_parse(None, scratch.encode(), file, None, LOOKUP(lookup), None, 0, None, None)
    libc.fclose(file)
    if result < 0:
        raise ValueError(os.strerror(-result))
    return found


def environment_file(text):
    """load_env_file of systemd, the parser of EnvironmentFile=."""
    file = ctypes.c_void_p(libc.fopen(written(text), b"re"))
    pairs = ctypes.POINTER(ctypes.c_char_p)()
    result = systemd.load_env_file(file, scratch.encode(), ctypes.byref(pairs))
    libc.fclose(file)
    if result < 0:
        raise ValueError(os.strerror(-result))
    return strings(pairs)


def strings(pairs):
    found = {}
    for pair in pairs:
        if pair is None:
            break
        name, _, value = pair.decode().partition("=")
        found[name] = value
    return found


class Conversation(ctypes.Structure):
    _fields_ = [("function", ctypes.c_void_p), ("data", ctypes.c_void_p)]


def login(text):
    """pam_env, the reader of /etc/environment."""
    written(text)
    folder = os.path.dirname(scratch)
    with open(os.path.join(folder, "test"), "w") as file:
        file.write(f"session required pam_env.so conffile=/dev/null readenv=1 envfile={scratch}\n")
    handle = ctypes.c_void_p()
    conversation = Conversation()
    if pam.pam_start_confdir(b"test", b"root", ctypes.byref(conversation), folder.encode(), ctypes.byref(handle)):
        raise ValueError("pam_start")
    pam.pam_open_session(handle, 0)
    pam.pam_getenvlist.restype = ctypes.POINTER(ctypes.c_char_p)
    found = strings(pam.pam_getenvlist(handle))
    pam.pam_end(handle, 0)
    return found


def plain(value):
    """What JSON can say; numbers with their kind."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return {"number": repr(value)}
    if value is None or isinstance(value, (str, bool)):
        return value
    return {"other": str(value)}


readers = {
    "ini": ini,
    "python": python,
    "systemd": unit,
    "environment file": environment_file,
    "environment": login,
    "yaml": lambda text: plain(yaml.safe_load(text)),
    "toml": lambda text: plain(tomllib.loads(text.replace("\r\n", "\n"))),
}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"value": readers[request["reader"]](request["file"])}
    except Exception as error:  # whatever the reader refuses
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
