"""API keys of the HTTP server: make, list, revoke and rotate them. A running server follows within a second.

Only hashes are kept: a key is shown once, when it is made.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from cluster.access.api_keys import ApiKey, KeyList, Rates, Role, Secret, key_hash, make_key
from cluster.access.keys_file import change_keys, read_keys
from cluster.commands.console import parser, run, say, settings
from models.errors import InputError

_EXAMPLE = """\
shoal keys add --name shop --role read --role write --expires 90d
  shoal keys list
  shoal keys rotate shop --grace 1h
  shoal keys revoke shop"""
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_GRACE = timedelta(hours=1)
_MAX_SPAN = timedelta(days=36_500)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the four."""
    args_parser = parser("keys", __doc__, _EXAMPLE)
    commands = args_parser.add_subparsers(required=True, metavar="{add,list,revoke,rotate}")
    path = settings().keys_path
    _add_parser(commands, path)
    _command(commands, "list", _list, "every key: roles, ends, limits; never the key itself", path)
    revoke = _command(commands, "revoke", _revoke, "end a key now", path)
    revoke.add_argument("name", metavar="NAME")
    rotate = _command(commands, "rotate", _rotate, "give a caller a new key, and the old one an end", path)
    rotate.add_argument("name", metavar="NAME")
    rotate.add_argument("--grace", type=_span, default=_GRACE, help="how long the old key lives on (default: 1h)")
    rotate.add_argument("--expires", type=_span, help="life of the new key (default: that of the one before)")
    return run(args_parser, lambda args: int(args.command(args)), argv)


def _add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], path: Path) -> None:
    add = _command(commands, "add", _add, "make a key and print it, once", path)
    add.add_argument("--name", required=True, help="whose key it is: 1 to 64 of A-Z a-z 0-9 . _ -")
    roles = [role.value for role in Role]
    add.add_argument("--role", required=True, action="append", choices=roles, help="may be given more than once")
    add.add_argument("--expires", type=_span, help="how long it lives, 90d or 12h for example (default: for good)")
    for rate in Rates.model_fields:
        number = int if rate.endswith("_burst") else float
        add.add_argument(f"--{rate.replace('_', '-')}", type=number, help="of each replica (default: as the settings)")


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    command: Callable[[argparse.Namespace], int],
    text: str,
    path: Path,
) -> argparse.ArgumentParser:
    sub = commands.add_parser(name, help=text, description=text.capitalize() + ".", allow_abbrev=False)
    sub.add_argument("--file", type=Path, default=path, metavar="PATH", help=f"the keys file (default: {path})")
    sub.set_defaults(command=command)
    return sub


def _add(args: argparse.Namespace) -> int:
    key = make_key()
    secret = _secret(key, args.expires)
    rates = {rate: getattr(args, rate) for rate in Rates.model_fields}
    try:
        made = ApiKey(name=args.name, roles=frozenset(map(Role, args.role)), rates=Rates(**rates), secrets=(secret,))
    except ValidationError as error:
        wrong = error.errors()[0]
        option = str(wrong["loc"][-1]).replace("_", "-")
        raise InputError(f"--{option} is wrong: {wrong['msg']}; it is {wrong['input']!r}.") from None
    is_new = not args.file.exists()
    change_keys(args.file, lambda keys: keys.added(made))
    print(key)
    say(f"{made.name} may {_words(made)}, {_ends(secret)}. This is the one time the key is shown.")
    if is_new:
        say(f"{args.file} is new: a server that reads it asks everybody for a key from now on.")
    return 0


def _list(args: argparse.Namespace) -> int:
    keys = read_keys(args.file).keys if args.file.exists() else ()
    if not keys:
        print(f"no key in {args.file}. Make one: shoal keys add --name shop --role write")
        return 0
    print(f"{'name':<20} {'roles':<18} {'made':<17} {'ends':<17} limits")
    now = datetime.now(UTC)
    for key in keys:
        limits = " ".join(f"{name}={value:g}" for name, value in key.rates.model_dump(exclude_none=True).items())
        for secret in key.secrets:
            ends = "never" if secret.expires is None else "expired" if secret.is_over(now) else _minute(secret.expires)
            print(f"{key.name:<20} {_words(key):<18} {_minute(secret.created):<17} {ends:<17} {limits}".rstrip())
    return 0


def _revoke(args: argparse.Namespace) -> int:
    change_keys(args.file, lambda keys: keys.removed(args.name))
    say(f"{args.name} is revoked.")
    return 0


def _rotate(args: argparse.Namespace) -> int:
    key = make_key()

    def rotate(keys: KeyList) -> KeyList:
        before = keys.get(args.name)
        return keys.replaced(before.rotated(_secret(key, args.expires or _life(before.secrets[-1])), args.grace))

    fresh = change_keys(args.file, rotate).get(args.name).secrets[-1]
    print(key)
    old = f"until {_minute(fresh.created + args.grace)} UTC at most" if args.grace else "no more"
    say(f"the new key of {args.name} lives {_ends(fresh)}, the one before {old}. This is the one time it is shown.")
    return 0


def _secret(key: str, life: timedelta | None) -> Secret:
    """What is kept of a new key."""
    now = datetime.now(UTC).replace(microsecond=0)
    return Secret(sha256=key_hash(key), created=now, expires=now + life if life else None)


def _life(secret: Secret) -> timedelta | None:
    return secret.expires - secret.created if secret.expires else None


def _span(text: str) -> timedelta:
    """`90d`, `12h`, `30m` or `45s` as a span."""
    match = re.fullmatch(r"(\d{1,9})([smhd])", text)
    span = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else None
    if span is None or span > _MAX_SPAN:
        raise argparse.ArgumentTypeError(f"{text!r} is no span. Use a number and s, m, h or d: 90d, of 36500d at most.")
    return span


def _words(key: ApiKey) -> str:
    return ",".join(role.value for role in Role if role in key.roles)


def _ends(secret: Secret) -> str:
    return f"until {_minute(secret.expires)} UTC" if secret.expires else "for good"


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


if __name__ == "__main__":
    raise SystemExit(main())
