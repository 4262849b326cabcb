"""`jackfield run`, against `jackfield serve commands`: in processes of their own."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from jackfield.cli.main import run as run_here
from tests.certificates import Certificates
from tests.commands.people import AtTerminal, Piped, end
from tests.commands.test_serve import Served
from tests.live import PATIENCE
from tests.remote import Clinging, python_policy, wait_until
from tests.streamed import stream

BIG = 64 * 1024 * 1024
GIB = 1024 * 1024 * 1024
MOST_MEMORY = 150 * 1024 * 1024
"""Bytes, of the server with all below it and of the client: who keeps a stream has more."""


class Running(Piped):
    """`jackfield run` there."""

    def __init__(self, served: Served, *arguments: str, **more: str) -> None:
        super().__init__("run", str(served.endpoints[0]), *arguments, **more)


def commands(folder: Path, *arguments: str) -> Served:
    """Serve Python and a shell."""
    policy = python_policy(folder, 'limits = { grace = "100ms" }')
    return Served("commands", f"unix://{folder}/s", "--policy", str(policy), *arguments)


def done(served: Served, *arguments: str, **more: str) -> tuple[int, bytes, str]:
    """Run something to its end, with nothing to read."""
    with Running(served, *arguments, **more) as running:
        return running.finish()


def sh(text: str, *arguments: str) -> tuple[str, ...]:
    return "--", "sh", "-c", text, *arguments


@pytest.fixture
def served(tmp_path: Path) -> object:
    with commands(tmp_path) as found:
        yield found


def test_a_command_is_as_if_it_were_here(served: Served) -> None:
    status, out, err = done(served, *sh("echo out; echo err >&2; printf '\\377'; exit 7"))
    assert (status, out, err) == (7, b"out\n\xff", "err\n")
    with Running(served, "--", "sh") as running:
        running.write_all(b"echo $((6 * 7))\nexit 3\n")
        assert running.finish() == (3, b"42\n", "")


@pytest.mark.some(1)
@pytest.mark.parametrize("name", ["KILL", "TERM", "USR1", "SEGV"])
def test_a_signal_is_a_status_as_a_shell_has_it(served: Served, name: str) -> None:
    status, _, err = done(served, *sh(f"kill -{name} $$; sleep 60"))
    assert (status, err) == (128 + getattr(signal, f"SIG{name}"), "")


def test_every_status_comes_back(served: Served) -> None:
    for number in (0, 1, 2, 124, 125, 255):
        assert done(served, *sh(f"exit {number}"))[0] == number


def test_what_ends_it_is_told(served: Served, tmp_path: Path) -> None:
    status, _, err = done(served, "--timeout", "1s", *sh("sleep 60 & sleep 60"))
    assert (status, err) == (124, "jackfield: its time was up; 3 of its processes were ended\n")
    status, out, err = done(served, "--", "uptime")
    assert (status, out) == (126, b"")
    assert "uptime is not allowed for me; in policy.toml this would allow it" in err
    assert err.count("\n") == 1


def test_input_and_output_come_as_they_are(served: Served) -> None:
    """64 MiB there and back, byte for byte."""
    data = os.urandom(1024 * 1024) * (BIG // 1024 // 1024)
    command = [sys.executable, "-m", "jackfield", "run", str(served.endpoints[0]), *sh("cat")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        out, _ = process.communicate(data, timeout=PATIENCE * 2)
    finally:
        end(process)
    assert process.returncode == 0
    assert hashlib.sha256(out).digest() == hashlib.sha256(data).digest()
    rest = served.stop()
    assert f"{BIG} bytes in, {BIG} bytes out" in rest


@pytest.mark.long
def test_a_gibibyte_goes_there_and_back_in_constant_memory(served: Served) -> None:
    with Running(served, *sh("exec cat")) as running:
        streamed = stream(GIB, running.process, served.process.pid)
        running.finish()
        assert running.process.returncode == 0
    assert (streamed.size, streamed.is_same) == (GIB, True)
    assert 0 < streamed.client < MOST_MEMORY
    assert 0 < streamed.server < MOST_MEMORY
    assert f"{GIB} bytes in, {GIB} bytes out" in served.stop()


@pytest.mark.long
def test_nobody_who_reads_ends_the_command(served: Served) -> None:
    with Running(served, *sh("while :; do echo y; done")) as running:
        running.await_output("y\n")
        running.stdout.close()
        assert running.process.wait(PATIENCE) == 141
    served.await_lines(1, "stopped")


def test_ctrl_c_interrupts_the_command_and_a_second_one_ends_it(served: Served) -> None:
    text = "trap 'echo interrupted' INT; echo ready; while :; do sleep 0.05; done"
    with Running(served, *sh(text)) as running:
        running.await_output("ready\n")
        running.process.send_signal(signal.SIGINT)
        running.await_output("interrupted\n")
        running.process.send_signal(signal.SIGINT)
        status, _, err = running.finish()
    assert status == 128 + signal.SIGTERM
    assert err.startswith("jackfield: it was ended; ")
    with Running(served, *sh("echo ready; exec sleep 60")) as running:
        running.await_output("ready\n")
        running.process.send_signal(signal.SIGINT)
        assert running.finish() == (128 + signal.SIGINT, b"ready\n", "")


@pytest.mark.some(1)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_client_that_is_killed_takes_all_of_its_command_with_it(
    served: Served, tmp_path: Path, number: int
) -> None:
    clinging = Clinging(tmp_path)
    with Running(served, "--", *clinging.args()) as running:
        clinging.await_all()
        running.process.send_signal(number)
        running.process.wait(PATIENCE)
        wait_until(lambda: clinging.alive() == [])
    served.await_lines(1, "client lost")


@pytest.mark.some(1)
@pytest.mark.parametrize("cgroups", ["cgroup", "alone"])
def test_a_server_that_is_killed_takes_all_of_them_with_it(tmp_path: Path, cgroups: str) -> None:
    clinging = Clinging(tmp_path)
    with commands(tmp_path) as served, Running(served, "--", *clinging.args()) as running:
        clinging.await_all()
        served.process.kill()
        served.process.wait(PATIENCE)
        wait_until(lambda: clinging.alive() == [])
        status, _, err = running.finish()
    assert (status, err.count("\n")) == (125, 1)
    del cgroups


def test_a_prompt_runs_line_after_line(served: Served) -> None:
    with AtTerminal("run", str(served.endpoints[0])) as person:
        person.await_screen("exit or Ctrl-D leaves")
        person.press("sh -c 'echo \"a  b\"; exit 3'\r")
        person.await_screen("a  b")
        person.press("uptime\r")
        assert "\n-- uptime is not allowed for me" in person.await_screen("/uptime")
        person.press("sh -c 'trap \"echo caught; exit\" INT; echo go; sleep 60 & wait'\r")
        person.await_screen("\ngo")
        person.press("\x03")
        person.await_screen("\ncaught")
        person.press("it's\r")
        person.await_screen("\n-- No closing quotation; not run")
        person.press("sh -c 'exit 4'\r")
        person.press("exit\r")
        assert person.process.wait(PATIENCE) == 4


@pytest.mark.long
def test_lines_in_a_pipe_are_commands(served: Served) -> None:
    with Running(served) as running:
        running.write_all(b"sh -c 'echo one'\n\nuptime\nsh -c 'exit 9'\nexit\nsh -c 'echo no'\n")
        status, out, err = running.finish()
    assert (status, out) == (9, b"one\n")
    assert err.startswith("jackfield: uptime is not allowed")


@pytest.mark.long
def test_what_a_terminal_would_obey_is_written_out(served: Served) -> None:
    text = "printf '\\033[31mred\\n'; printf '\\304\\343\\272\\303\\n' >&2"
    with AtTerminal("run", str(served.endpoints[0]), "--encoding", "gbk", *sh(text)) as person:
        person.await_screen("你好")
        person.await_screen("\\x1b[31mred")  # of another stream, so either may come first
        assert person.process.wait(PATIENCE) == 0


def test_arguments_arrive_as_they_were_given(served: Served) -> None:
    text = 'printf "[%s]" "$@"'
    odd = ["", "a b", "'", '"', "$HOME", "*", "-n", "--", "\n", "你好", "\udcff", "`id`", ";", "\\"]
    status, out, _ = done(served, *sh(text, "sh", *odd))
    assert status == 0
    assert out == "".join(f"[{arg}]" for arg in odd).encode("utf-8", "surrogateescape")
    status, out, _ = done(served, "--encoding", "gbk", *sh(text, "sh", "你好"))
    assert out == b"[" + "你好".encode("gbk") + b"]"


def test_it_gets_nothing_of_the_server_but_what_the_policy_names(tmp_path: Path) -> None:
    policy = python_policy(tmp_path)
    policy.write_text(policy.read_text() + 'keep = ["KEPT", "LACKING"]\n')
    own = f"unix://{tmp_path}/s", "--policy", str(policy)
    secret = {"SECRET": "x", "KEPT": "kept", "LD_PRELOAD_NOT": "y"}
    with Served("commands", *own, **secret) as served:
        status, out, _ = done(served, "--env", "X=1", *sh("env; ls /proc/self/fd; umask"))
        assert status == 0
        *env, fds0, fds1, fds2, fds3, umask = out.decode().split("\n")[:-1]
        names = {line.partition("=")[0] for line in env}
        assert {"PATH", "LANG", "HOME", "KEPT", "X"} <= names
        assert names <= {"PATH", "LANG", "HOME", "KEPT", "X", "PWD", "OLDPWD", "_", "SHLVL"}
        assert [fds0, fds1, fds2, fds3] == ["0", "1", "2", "3"]  # 3 is the folder that ls reads
        assert umask == "0022"
        text = "grep -E 'Sig(Blk|Ign)' /proc/self/status; cut -d ' ' -f 6 /proc/$$/stat; echo $$"
        _, out, _ = done(served, *sh(text))
        blocked, ignored, session, process = out.decode().split("\n")[:4]
        assert int(blocked.split()[1], 16) == 0
        # 32 and 33 are the C library's own, which ignores them in what posix_spawn() starts
        assert int(ignored.split()[1], 16) & ~(0b11 << 31) == 0
        assert session.strip() == process


def test_a_token_says_who_one_is_and_can_be_revoked(
    tmp_path: Path, certificates: Certificates
) -> None:
    token = tmp_path / "token"
    token.write_text("correct horse\n")
    tokens = tmp_path / "tokens"
    digest = hashlib.sha256(b"correct horse").hexdigest()
    tokens.write_text(f"anna:sha256:{digest}\n")
    policy = tmp_path / "policy.toml"
    policy.write_text(
        'allow = [{ who = ["anna"], program = "/bin/sh", args = "any", shell = true }]\n'
    )
    cert = "--cert", certificates.cert, "--key", certificates.key
    own = "tls://127.0.0.1:0", "--policy", str(policy), "--token-file", str(tokens)
    with Served("commands", *own, *cert) as served:
        more = "--ca", certificates.ca
        status, _, err = done(served, *more, *sh("exit 5"))
        assert status == 126
        assert "sh is not allowed for me" in err
        status, _, err = done(served, *more, *sh("exit 5"), JACKFIELD_TOKEN="wrong")
        assert status == 126
        assert "this token is not known here" in err
        known = *more, "--token-file", str(token)
        assert done(served, *known, *sh("exit 5"))[0] == 5
        assert done(served, *more, *sh("exit 6"), JACKFIELD_TOKEN="correct horse")[0] == 6
        with (
            Running(served, *known, *sh("echo ready; sleep 60")) as running,
            Running(served, *known) as prompt,
        ):
            running.await_output("ready\n")
            prompt.write("sh -c 'echo before'\n")
            prompt.await_output("before\n")
            served.await_lines(3, " for anna: status ")  # it has printed, and has ended as well
            tokens.write_text("")
            policy.write_text("")
            served.process.send_signal(signal.SIGHUP)
            status, _, err = running.finish()
            assert "it is not allowed any more" in err
            assert status == 128 + signal.SIGTERM
            prompt.write("sh -c 'echo after'\n")
            status, out, err = prompt.finish()
            assert (status, out) == (126, b"before\n")
            assert "you may not run anything here any more" in err
        assert done(served, *known, *sh("exit 5"))[0] == 126
        said = served.stop()
    assert said.count(" for anna: ") == 4  # none but those that had begun
    assert said.count(" for anna: by signal TERM, revoked, ") == 1
    assert "correct horse" not in said


@pytest.mark.some(1)
@pytest.mark.parametrize("workers", ["", "2"])
@pytest.mark.parametrize("what", ["token", "line"])
def test_who_is_taken_out_is_refused_and_nobody_else_is(
    tmp_path: Path, what: str, workers: str
) -> None:
    """Before a command, while one runs, and after it, by who is connected and by who comes anew."""
    tokens, policy = tmp_path / "tokens", tmp_path / "policy.toml"
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("anna", "bert")}
    lines = [f"{name}:sha256:{digest}\n" for name, digest in digests.items()]
    tokens.write_text("".join(lines))
    rule = 'allow = [{ who = [NAMES], program = "/bin/sh", args = "any", shell = true }]\n'
    policy.write_text(rule.replace("NAMES", '"anna", "bert"'))
    files = "--policy", str(policy), "--token-file", str(tokens)
    own = f"unix://{tmp_path}/s", *files, *(("--workers", workers) if workers else ())
    anna, bert = ({"JACKFIELD_TOKEN": name} for name in digests)
    with (
        Served("commands", *own) as served,
        Running(served, *sh("echo ready; sleep 60"), **anna) as during,
        Running(served, "-v", **anna) as before,
        Running(served, **anna) as after,
        Running(served, *sh("echo ready; exec cat"), **bert) as other,
    ):
        during.await_output("ready\n")
        other.await_output("ready\n")
        before.await_error("known there as anna")
        after.write("sh -c 'echo before'\n")
        after.await_output("before\n")
        served.await_lines(1, " for anna: status 0; ")  # it has printed, and has ended as well
        if what == "token":
            tokens.write_text(lines[1])  # and the policy names her still
        else:
            policy.write_text(rule.replace("NAMES", '"bert"'))
        served.process.send_signal(signal.SIGHUP)
        status, _, err = during.finish()
        assert status == 128 + signal.SIGTERM
        assert err.startswith("jackfield: it is not allowed any more")
        why = {
            "token": "you may not run anything here any more",
            "line": "sh is not allowed for anna",
        }
        for one in (before, after):
            one.write("sh -c 'echo after'\n")
            status, out, err = one.finish()
            assert status == 126
            assert b"after" not in out
            assert why[what] in err
        status, out, err = done(served, *sh("echo anew"), **anna)
        assert (status, out) == (126, b"")
        assert ("this token is not known here" if what == "token" else why[what]) in err
        other.write("still here\n")
        assert other.finish() == (0, b"ready\nstill here\n", "")
        assert done(served, *sh("exit 5"), **bert)[0] == 5
        served.await_lines(1, " for bert: status 5; ")
        said = served.stop()
    assert said.count(" for anna: by signal TERM, revoked, ") == 1
    assert said.count("refused   ") == 3


def test_a_certificate_says_who_one_is(tmp_path: Path, certificates: Certificates) -> None:
    policy = tmp_path / "policy.toml"
    rule = '{ who = ["certificate:NAME"], program = "/bin/sh", args = "any", shell = true }'
    policy.write_text(f"allow = [{rule}]\n")
    own = "tls://127.0.0.1:0", "--policy", str(policy)
    files = "--cert", certificates.cert, "--key", certificates.key, "--ca", certificates.ca
    with Served("commands", *own, *files) as served:
        status, _, err = done(served, *files, *sh("exit 5"))
        assert status == 126
        name = err.partition("not allowed for ")[2].partition(";")[0]
        assert name.startswith("certificate:")
        policy.write_text(f"allow = [{rule.replace('certificate:NAME', name)}]\n")
        served.process.send_signal(signal.SIGHUP)
        served.await_lines(1, "reloaded")
        assert done(served, *files, *sh("exit 5"))[0] == 5


REFUSED = [
    (["tcp://127.0.0.1:0"], "commands runs what is allowed, and nothing is: name programs by"),
    (["tcp://0.0.0.0:0", "--allow", "true"], "commands off loopback is served over TLS alone: "),
    (["udp://127.0.0.1:0", "--allow", "true"], "commands needs a connection, and udp:// has none"),
    (["tcp://127.0.0.1:0", "--allow", "true", "--model", "processes"], "commands has a process"),
    (["tcp://127.0.0.1:0", "--allow", "no-such-program"], "--allow no-such-program: there is no"),
    (["tcp://127.0.0.1:0", "--allow", "true,sh"], "--allow sh: a shell runs whatever it is told"),
    (["tcp://127.0.0.1:0", "--policy", "/no/such"], "/no/such: No such file"),
    (["tcp://127.0.0.1:0", "--allow", "true", "--policy", "/x"], "commands runs what is allowed"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "says"), REFUSED, ids=range(len(REFUSED)))
def test_what_must_not_be_served_is_not(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(["serve", "commands", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"jackfield: {says}")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(("mode", "gid"), [(0o664, 1), (0o646, -1)])
@pytest.mark.parametrize("which", ["policy", "tokens"])
def test_what_others_may_change_says_nothing_of_who_may_run_what(
    tmp_path: Path, which: str, mode: int, gid: int, capsys: pytest.CaptureFixture[str]
) -> None:
    if gid >= 0 and os.geteuid() != 0:
        pytest.skip("only root gives a file to another group")
    paths = {name: tmp_path / name for name in ("policy", "tokens")}
    paths["policy"].write_text('allow = [{ who = ["me"], program = "/bin/true" }]\n')
    paths["tokens"].write_text("")
    paths[which].chmod(mode)
    os.chown(paths[which], -1, gid)
    files = "--policy", str(paths["policy"]), "--token-file", str(paths["tokens"])
    assert run_here(["serve", "commands", "tcp://127.0.0.1:0", *files]) == 2
    wrong = paths[which]
    said = f"{wrong}: others may change it, and so what they may do: chmod go-w {wrong}"
    assert capsys.readouterr().err == f"jackfield: {said}\n"


def test_off_loopback_who_one_is_must_be_asked(
    certificates: Certificates, capsys: pytest.CaptureFixture[str]
) -> None:
    files = "--cert", certificates.cert, "--key", certificates.key
    assert run_here(["serve", "commands", "tls://0.0.0.0:0", "--allow", "true", *files]) == 2
    assert "give them tokens by --token-file FILE" in capsys.readouterr().err


WRONG = [
    (["tcp://127.0.0.1:1", "--env", "X", "--", "true"], 2, "--env takes NAME=VALUE"),
    (["tcp://127.0.0.1:1", "--encoding", "x", "--", "true"], 2, "there is no encoding 'x'"),
    (["tcp://127.0.0.1:1", "--encoding", "gdk", "--", "true"], 2, "some are gbk, big5, shift_jis"),
    (["tcp://127.0.0.1:1", "--encoding", "rot13", "--", "true"], 2, "no encoding 'rot13'"),
    (["tcp://127.0.0.1:1", "--encoding", "undefined"], 2, "no encoding 'undefined'"),
    (["tcp://127.0.0.1:1", "--encoding", "idna", "--", "a..b"], 2, "no encoding 'idna'"),
    (["tcp://127.0.0.1:1", "--encoding", "utf-16", "--", "true"], 2, "utf-16 writes NULs"),
    (["tcp://127.0.0.1:1", "--encoding", "ascii", "--", "é"], 2, "has no way to write 'é'"),
    (["tcp://127.0.0.1:1", "ls", "-l"], 2, "'-l'; options of the command go behind --"),
    (["tcp://127.0.0.1:1", "--timeuot", "1s", "--", "ls"], 2, "'--timeout'"),
    (["tcp://127.0.0.1:1", "--env", "1A=x", "--", "true"], 1, "'1A' is no name of a variable"),
    (["tcp://127.0.0.1:1", "--timeout", "1x", "--", "true"], 2, "'1x' is no time; write 1s"),
    (["127.0.0.1:1", "--", "true"], 2, "the scheme is missing; for example tcp://127.0.0.1:1"),
    (["tcp://127.0.0.1:1", "--token-file", "/no/such"], 2, "/no/such: No such file"),
    (["tcp://127.0.0.1:1", "--token-file", "/dev/null"], 2, "there is no token in it"),
    (["udp://127.0.0.1:1", "--", "true"], 2, "commands needs a connection"),
    (["tcp://127.0.0.1:1", "--", "x" * 70_000], 1, "more than 65536 bytes of arguments"),
    (["tcp://127.0.0.1:1", "--", "true"], 125, "tcp://127.0.0.1:1"),
]


@pytest.mark.parametrize(("arguments", "status", "says"), WRONG, ids=range(len(WRONG)))
def test_what_cannot_be_run_is_one_line(
    arguments: list[str], status: int, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_here(["run", *arguments]) == status
    captured = capfd.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1


FIND = "give the endpoint that jackfield serve commands has printed"
OTHERS = [
    (["chat"], "tcp", f"something that says 'What is your name?'; {FIND}"),
    (["echo"], "tcp", f"no commands are run there, but an echo of what is sent; {FIND}"),
    (["greet"], "tcp", f"no commands are run there, but something that says 'Welcome!'; {FIND}"),
    (["upper"], "tcp", f"no commands are run there, it seems: no answer in 0.5 s; {FIND}"),
    (["files", "."], "tcp", f"no commands are run there, it seems: no answer in 0.5 s; {FIND}"),
    (["web", "."], "tcp", "no commands are run there, but HTTP; those of a board are at"),
    (["web", "."], "ws", "has answered 200 OK in place of beginning a WebSocket; commands of a"),
    (["web", "."], "ws", "; a board there runs commands once its configuration names a policy"),
    (["echo"], "ws", "; commands of a board are at ws://127.0.0.1:PORT/commands, others where"),
    (["commands", "--allow", "date"], "tls", "the other side does not speak TLS; it may expect"),
]  # fmt: skip


@pytest.mark.some(3)
@pytest.mark.parametrize(("service", "scheme", "says"), OTHERS, ids=range(len(OTHERS)))
def test_another_service_is_told_from_this_one(service: list[str], scheme: str, says: str) -> None:
    with Served(*service, "tcp://127.0.0.1:0") as served:
        port = served.endpoints[0].port
        path = "/commands" if "a board there" in says else ""
        where = f"{scheme}://127.0.0.1:{port}{path}"
        soon = ("--connect-timeout", "500ms") if "in 0.5 s" in says else ()
        with Piped("run", where, *soon, "--", "true") as running:
            status, out, err = running.finish()
    assert (status, out, err.count("\n")) == (125, b"", 1)
    assert err.startswith(f"jackfield: {where}: ")
    assert says.replace("PORT", str(port)) in err


@pytest.mark.some(1)
@pytest.mark.parametrize("service", [["commands", "--allow", "date"], ["echo"], ["web", "."]])
def test_tls_where_none_was_meant_is_told(service: list[str], certificates: Certificates) -> None:
    files = "--cert", certificates.cert, "--key", certificates.key
    with Served(*service, "tls://127.0.0.1:0", *files) as served:
        where = f"tcp://127.0.0.1:{served.endpoints[0].port}"
        with Piped("run", where, "--", "true") as running:
            status, out, err = running.finish()
    assert (status, out, err.count("\n")) == (125, b"", 1)
    assert err.startswith(f"jackfield: {where}: TLS is spoken there; write tls://")


def test_who_ends_without_a_word_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        where = f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        with Piped("run", where, "--", "true") as running:
            listening.accept()[0].close()
            status, _, err = running.finish()
    assert (status, err.count("\n")) == (125, 1)
    assert "and no word was said; if TLS is spoken there" in err
