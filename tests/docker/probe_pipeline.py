"""A pipeline whose step reports its container's settings. The test copies it and sets the image."""

from kfp import dsl


@dsl.component(base_image="IMAGE", install_kfp_package=False)
def look_around(output: dsl.Output[dsl.Artifact]) -> None:
    import json
    import os
    from pathlib import Path

    def can_write(path: str) -> bool:
        try:
            Path(path).write_text("x")
        except OSError:
            return False
        return True

    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    seen = {
        "uid": os.getuid(),
        "gid": os.getgid(),
        "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16),
        "no_new_privileges": status["NoNewPrivs"],
        "writable": [path for path in ("/x", "/etc/x", "/usr/x", "/opt/x", "/tmp/x") if can_write(path)],
        "home_is_writable": can_write(f"{Path.home()}/x"),
        "environment": sorted(os.environ),
    }
    Path(output.path).write_text(json.dumps(seen))


def build_pipeline(options):
    @dsl.pipeline(name="probe")
    def probe():
        look_around()

    return probe
