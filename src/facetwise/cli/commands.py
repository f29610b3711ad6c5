"""Commands made from verbs: arguments and options are those of the verb, see `api.options`."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Generic, TypeVar, Union, get_args, get_origin

import typer

from facetwise.api.options import Option, options_of
from facetwise.cli.context import get_context

if TYPE_CHECKING:
    from facetwise.core.project import Project

Result = TypeVar("Result")
Json = Annotated[bool, typer.Option("--json", help="Print data for programs instead of text.")]


@dataclass(frozen=True)
class Call(Generic[Result]):
    """A verb and its arguments from the command line, ready to be called once."""

    verb: Callable[..., Result]
    given: dict[str, Any]
    """Argument -> value, without arguments that were not given."""
    context: typer.Context

    @cached_property
    def project(self) -> "Project":
        """The project that `--project` or the current folder is in."""
        return get_context(self.context).project()

    def __call__(self, **more: Any) -> Result:
        """Call the verb on the project; `more` are further arguments, or replace some of `given`."""
        signature = inspect.signature(self.verb)
        bound = signature.bind_partial()
        bound.arguments.update(self.given | more)
        if "project" in signature.parameters:
            bound.arguments["project"] = self.project
        return self.verb(*bound.args, **bound.kwargs)


def room(name: str | None = None, about: str | None = None) -> typer.Typer:
    """The commands of one module; with a `name` it is the first word of each of them."""
    return typer.Typer(name=name, help=about, no_args_is_help=True, rich_markup_mode=None)


def command(
    room: typer.Typer, verb: Callable[..., Result], name: str | None = None
) -> Callable[[Callable[Concatenate[Call[Result], ...], None]], None]:
    """Make a command from a verb, called `name`, by default the first word of the verb's name.

    The decorated function is called with the `Call` and, by name, with its other parameters: `context`, values of the
    verb's options, and options of the command alone, which are annotated as typer's.
    """
    options = options_of(verb)

    def add(function: Callable[Concatenate[Call[Result], ...], None]) -> None:
        wanted = list(inspect.signature(function).parameters.values())[1:]
        own = {p.name: p for p in wanted if get_origin(p.annotation) is Annotated}
        assert all(p.name in ("context", *options, *own) for p in wanted), (
            f"{verb.__name__} has no such option: {wanted}"
        )

        def run(context: typer.Context, **values: Any) -> None:
            given = {key: value for key, value in values.items() if key in options and value is not None}
            asked = {p.name: context if p.name == "context" else values[p.name] for p in wanted}
            function(Call(verb, given, context), **asked)

        context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
        made = {key: _typed(*option) for key, option in options.items()} | {
            key: p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for key, p in own.items()
        }
        run.__signature__ = inspect.Signature([context, *made.values()])  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in (context, *made.values())}
        run.__name__, run.__module__, run.__doc__ = verb.__name__, function.__module__, function.__doc__
        room.command(name or verb.__name__.partition("_")[0])(run)

    return add


def _typed(parameter: inspect.Parameter, kind: Any, option: Option) -> inspect.Parameter:
    """An argument of a verb as a parameter for typer, with one type for all those that look alike on a command line."""
    kinds = [k for k in (get_args(kind) if get_origin(kind) in (Union, UnionType) else [kind]) if k is not NoneType]
    many = parameter.kind is parameter.VAR_POSITIONAL or get_origin(kinds[0]) is Sequence
    read = option.kind or (list[str] if many else next((k for k in (Path, str) if k in kinds), kinds[0]))
    limits: dict[str, Any] = {"min": option.min, "max": option.max, "metavar": option.metavar, "help": option.help}
    if parameter.kind is parameter.KEYWORD_ONLY or option.flags:
        spelt = option.flags or (("--" + parameter.name.replace("_", "-"),))
        info = typer.Option(*spelt, **limits | {"metavar": option.metavar or _named(read, option)})
    else:
        info = typer.Argument(**limits)
    default = parameter.default
    if default is None or default == ():
        read, default = read | None, None
    return inspect.Parameter(
        parameter.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[read, info]
    )


def _named(read: Any, option: Option) -> str | None:
    """One value of an option in its help, where typer says `<int range>` or `<list[str]>`; None for the others."""
    one = get_args(read)[0] if get_origin(read) is list else read
    return f"<{one.__name__}>" if isinstance(one, type) and (one is not read or option.min is not None) else None
