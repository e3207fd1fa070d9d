"""A private node sees the plug-ins that are enabled, what they need, and every library."""

from __future__ import annotations

from pathlib import Path

from writegate_devkit.stack.plugins import link_plugins

APPLICATIONS = {
    "rabbit-3.10.8": "[kernel,rabbitmq_prelaunch,ra]",
    "rabbitmq_prelaunch-3.10.8": "[kernel]",
    "ra-2.2.0": "[kernel]",
    "seshat-0.3.2": "[]",
    "rabbitmq_management-3.10.8": "[kernel,\n  rabbit,rabbitmq_web_dispatch]",
    "rabbitmq_web_dispatch-3.10.8": "[cowboy]",
    "rabbitmq_shovel-3.10.8": "[rabbit,amqp_client]",
}


def test_what_is_enabled_is_there_with_what_it_needs(tmp_path: Path) -> None:
    installed, seen = tmp_path / "installed", tmp_path / "seen"
    for directory, needed in APPLICATIONS.items():
        name = directory.rpartition("-")[0]
        (installed / directory / "ebin").mkdir(parents=True)
        (installed / directory / "ebin" / f"{name}.app").write_text(
            f"{{application, {name}, [{{applications, {needed}}}]}}."
        )
    (installed / "README").write_text("no plug-in")

    link_plugins(installed, "[rabbitmq_management].\n", seen)
    assert {path.name for path in seen.iterdir()} == {*APPLICATIONS, "README"} - {"rabbitmq_shovel-3.10.8"}
    assert (seen / "ra-2.2.0/ebin/ra.app").is_file()

    link_plugins(installed, "[].\n", seen)  # when the stack is started again
    plugins = {path.name.rpartition("-")[0] for path in seen.iterdir() if path.name.startswith("rabbitmq_")}
    assert plugins == {"rabbitmq_prelaunch"}
