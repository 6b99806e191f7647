"""The routes: pages that anybody who reaches them may read, and three acts for whoever has logged in."""

from __future__ import annotations

import asyncio
import hmac
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from optimizer.errors import RemoraError
from optimizer.service.page import facts
from optimizer.service.page.heat import grid_of, picture
from optimizer.service.page.safety import Headers
from optimizer.service.page.sessions import COOKIE, Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request

    from optimizer.clock import Clock
    from optimizer.execute.button import StopFile
    from optimizer.service.page.acts import Acts
    from optimizer.service.page.sessions import Sessions
    from optimizer.service.page.sources import Sources

    Shown = Callable[[Request], Awaitable[Response]]

__all__ = ["Page", "application"]

HERE = Path(__file__).parent
HOSTS_A_PAGE = 200
LARGEST_FORM = 16_384
API = "there are POST /api/place, GET /api/reservations and DELETE /api/reservations/ID, with a token and an inventory"


class Page:
    """Answers requests.

    Parameters
    ----------
    fleet
        The fleet that is shown; empty: the one that the service wrote of last.
    private
        Whether reading needs a session, too.
    secure
        Whether it is served by TLS, so that cookies are sent by TLS alone.
    """

    def __init__(
        self,
        sources: Sources,
        acts: Acts,
        sessions: Sessions,
        button: StopFile,
        clock: Clock,
        patience: facts.Patience,
        *,
        fleet: str = "",
        private: bool = False,
        secure: bool = False,
    ) -> None:
        self._sources, self._acts, self._sessions, self._button = sources, acts, sessions, button
        self._clock, self._patience, self._fleet = clock, patience, fleet
        self._private, self._secure = private, secure
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._templates.filters |= {"share": _share, "moment": _moment}
        self._drawn: tuple[Any, bytes] = (None, b"")

    async def home(self, request: Request) -> Response:
        """Show the fleet, what is wrong, and what is done about it."""
        view = self._sources.view()
        hosts = view["hosts"]
        more: dict[str, Any] = {
            "now": await self._now(),
            "view": view,
            "grid": grid_of(hosts),
            "worst": facts.worst_of(hosts),
        }
        return self._html(request, "home.html", **more, racks=facts.racks_of(hosts))

    async def now(self, request: Request) -> Response:
        """Show the part that changes, for htmx."""
        return self._html(request, "now.html", now=await self._now())

    async def heat(self, _: Request) -> Response:
        """Draw the heat map."""
        view = self._sources.view()
        if self._drawn[0] is not view:
            self._drawn = view, picture(view["hosts"])
        return Response(self._drawn[1], media_type="image/png")

    async def heat_words(self, _: Request) -> Response:
        """Say what the cells of the heat map are, for the script that shows their names."""
        view = self._sources.view()
        grid = grid_of(view["hosts"])
        said = [[h["id"], max(h["load"], default=0), h["violations"]] for h in view["hosts"]]
        return JSONResponse({"cell": grid.cell, "columns": grid.columns, "hosts": said})

    async def hosts(self, request: Request) -> Response:
        """List the hosts, of one rack or of all."""
        hosts, rack = self._sources.view()["hosts"], request.query_params.get("rack")
        if rack is not None:
            hosts = [host for host in hosts if host["rack"] == rack]
        first = _number(request.query_params.get("from"))
        part = hosts[first : first + HOSTS_A_PAGE]
        following = first + HOSTS_A_PAGE if first + HOSTS_A_PAGE < len(hosts) else 0
        return self._html(
            request, "hosts.html", hosts=part, rack=rack, first=first, total=len(hosts), following=following
        )

    async def host(self, request: Request) -> Response:
        """Show one host."""
        view, name = self._sources.view(), request.query_params.get("id", "")
        host = next((h for h in view["hosts"] if h["id"] == name), None)
        if host is None:
            raise HTTPException(404, "there is no such host")
        shown = [v for v in view["shown"] if name in v["hosts"]]
        return self._html(request, "host.html", host=host, view=view, shown=shown)

    async def plan(self, request: Request) -> Response:
        """Show a plan, its moves and how they stand."""
        plan = self._sources.plan(request.query_params.get("id", ""))
        if plan is None:
            raise HTTPException(404, "this plan is not kept any more")
        found = await self._ask(lambda ledger: facts.plan_facts(ledger, plan))
        waiting = self._sources.keep.waiting()
        return self._html(request, "plan.html", **found, waits=waiting is not None and waiting.id == plan.id)

    async def ledger(self, request: Request) -> Response:
        """Show runs and events."""
        before = _number(request.query_params.get("before"))
        found = await self._ask(lambda book: facts.ledger_facts(book, self._of(book), before))
        return self._html(request, "ledger.html", **found, before=before)

    async def journeys(self, request: Request) -> Response:
        """Show where VMs have been."""
        vm, at = request.query_params.get("vm", "").strip(), self._clock.now()
        found = await self._ask(lambda book: facts.travels_of(book, self._of(book), vm, at))
        return self._html(request, "journeys.html", travels=found, vm=vm)

    async def log_in(self, request: Request) -> Response:
        """Show the form, or take it."""
        if request.method == "GET":
            return self._html(request, "login.html", wrong=False)
        form = await self._form(request)
        name = " ".join(form.get("name", "").split())[:100]
        key = self._sessions.log_in(form.get("token", "").strip(), f"{name} (page)") if name else ""
        if not key:
            return self._html(request, "login.html", wrong=True, status=403)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, key, httponly=True, samesite="strict", secure=self._secure, path="/")
        return answer

    async def log_out(self, request: Request) -> Response:
        """End the session."""
        await self._allowed(request)
        self._sessions.log_out(request.cookies.get(COOKIE, ""))
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(COOKIE)
        return answer

    async def act(self, request: Request) -> Response:
        """Approve, stop or resume, and go back."""
        what = request.path_params["what"]
        session, form = await self._allowed(request)
        reason = " ".join(form.get("reason", "").split())[:500] or f"{what} on the page"
        if what == "approve":
            plan = self._sources.plan(form.get("plan", ""))
            if plan is None:
                raise HTTPException(404, "this plan is not kept any more")
            await self._do(lambda: self._acts.approve(plan, form.get("digest", ""), session.name, reason))
            return RedirectResponse(f"/plan?{urlencode({'id': plan.id})}", 303)
        if what not in ("stop", "resume"):
            raise HTTPException(404, "there is no such act")
        fleet = await self._ask(self._of)
        act = self._acts.stop if what == "stop" else self._acts.resume
        await self._do(lambda: act(fleet, session.name, reason))
        return RedirectResponse("/", 303)

    async def failed(self, request: Request, error: Exception) -> Response:
        """Say what went wrong, in a line."""
        status = error.status_code if isinstance(error, HTTPException) else 503
        said = str(error.detail) if isinstance(error, HTTPException) else str(error)
        if request.url.path.startswith("/api/"):
            return JSONResponse(
                {"error": f"{request.url.path}: {said}; {API}" if status in (404, 405) else said}, status
            )
        return self._html(request, "failed.html", said=said, status=status)

    async def _now(self) -> dict[str, Any]:
        waiting = self._sources.keep.waiting()
        found: dict[str, Any] = await self._ask(
            lambda ledger: facts.now_facts(
                ledger, self._of(ledger), self._button, waiting, self._clock.now(), self._patience
            )
        )
        return found

    def _of(self, ledger: Any) -> str:
        return self._fleet or facts.fleet_of(self._sources.view(), ledger)

    async def _ask(self, work: Callable[[Any], Any]) -> Any:
        return await self._sources.ask(asyncio.get_running_loop(), work)

    async def _do(self, work: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(None, work)

    async def _form(self, request: Request) -> dict[str, str]:
        """Read a form that is small, and comes from this page."""
        length = request.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            raise HTTPException(411, "a form says its length")  # one without could be of any
        if len(length) > len(str(LARGEST_FORM)) or int(length) > LARGEST_FORM:
            raise HTTPException(413, "too large a form")
        origin = request.headers.get("origin")
        if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
            raise HTTPException(403, "this form comes from another place")
        form = await request.form(max_files=0, max_fields=20)
        return {name: value for name, value in form.items() if isinstance(value, str)}

    async def _allowed(self, request: Request) -> tuple[Session, dict[str, str]]:
        """Return who acts, and the form; it has to be one of theirs."""
        session = self._sessions.of(request.cookies.get(COOKIE, ""))
        if session is None:
            raise HTTPException(403, "log in first")
        form = await self._form(request)
        if not hmac.compare_digest(form.get("csrf", "").encode("utf-8", "replace"), session.form_token.encode()):
            raise HTTPException(403, "this form is too old: load the page again")
        return session, form

    def readable(self, shown: Shown) -> Shown:
        """Return a route's answer, for those who may read; where reading is private, the others are sent to log in."""

        async def answer(request: Request) -> Response:
            if self._private and self._sessions.of(request.cookies.get(COOKIE, "")) is None:
                return RedirectResponse("/login", 303)
            return await shown(request)

        return answer

    def _html(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        session = self._sessions.of(request.cookies.get(COOKIE, ""))
        shared = {"session": session, "can_log_in": self._sessions.are_possible, "fleet": self._sources.view()["fleet"]}
        return HTMLResponse(self._templates.get_template(template).render(**shared, **values), status)


def application(page: Page, names: Sequence[str], more: Sequence[Route] = ()) -> Starlette:
    """Return the application; `names` are those by which it may be asked for, `more` further routes."""

    def get(path: str, shown: Shown) -> Route:
        return Route(path, page.readable(shown), methods=["GET"])

    routes = [
        get("/", page.home),
        get("/now", page.now),
        get("/heat.png", page.heat),
        get("/heat.json", page.heat_words),
        get("/hosts", page.hosts),
        get("/host", page.host),
        get("/plan", page.plan),
        get("/ledger", page.ledger),
        get("/journeys", page.journeys),
        Route("/login", page.log_in, methods=["GET", "POST"]),
        Route("/logout", page.log_out, methods=["POST"]),
        Route("/act/{what}", page.act, methods=["POST"]),
        *more,
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]
    handlers: Any = {HTTPException: page.failed, RemoraError: page.failed}
    middleware = [Middleware(TrustedHostMiddleware, allowed_hosts=[*names]), Middleware(Headers)]
    return Starlette(routes=routes, exception_handlers=handlers, middleware=middleware)


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 0


def _share(permille: int) -> str:
    """Say a load: 973 is 97.3 %."""
    return "-" if permille < 0 else f"{permille / 10:.1f} %"


def _moment(at: Any) -> str:
    return "" if at is None else at.isoformat(timespec="seconds").replace("+00:00", "Z")
