"""Another extension put other versions of our packages into the folder that all extensions share."""

import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from beside import MAIN, MakeClient, assert_is_sentence

from ggg_cloud_addon.worker.client import JobError, WorkerClient

AWS = {"provider": "aws", "bucket_name": "models", "region": "us-east-1"}


@pytest.fixture
def extension(tmp_path: Path) -> Path:
    """GGG Cloud as Blender installs it: the package with its manifest, which names the wheels."""
    home = tmp_path / "ggg_cloud_addon"
    shutil.copytree(MAIN.parents[1], home)
    names = [f"./wheels/{name}-{metadata.version(name)}-py3-none-any.whl" for name in ("botocore", "filelock")]
    (home / "blender_manifest.toml").write_text(f"wheels = {names}\n")
    return home


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """The folder that all extensions share; first among those that are searched."""
    return tmp_path / "shared"


@pytest.fixture
def installed(make_client: MakeClient, extension: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> WorkerClient:
    """The worker of that extension; it searches where the Blender that starts it does."""
    monkeypatch.syspath_prepend(shared)
    main = extension / "worker" / "__main__.py"
    return make_client(sys.executable, "-c", f"import runpy; runpy.run_path({str(main)!r}, run_name='__main__')")


def put_in(shared: Path, name: str, version: str, code: str) -> None:
    """A package as another extension ships it."""
    (shared / name).mkdir(parents=True)
    (shared / name / "__init__.py").write_text(code)
    about = shared / f"{name}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.mark.parametrize("code", ["", "raise ImportError('cannot import name x')", "None.x", "import no_such_module"])
def test_what_is_wrong_and_what_to_do_is_one_sentence(installed: WorkerClient, shared: Path, code: str) -> None:
    put_in(shared, "botocore", "9.9.9", code)
    job = installed.submit("list", AWS)
    with pytest.raises(JobError, match=r"botocore .* and found 9\.9\.9") as caught:
        job.wait()
    assert_is_sentence(str(caught.value))
    assert metadata.version("botocore") in str(caught.value)
    assert "filelock" not in str(caught.value)


def test_the_plain_folder_still_works(installed: WorkerClient, shared: Path, config: dict[str, Any]) -> None:
    put_in(shared, "botocore", "9.9.9", "None.x")
    assert installed.submit("list", config).wait()["rows"] == []


def test_a_worker_that_cannot_even_start_says_so_too(
    installed: WorkerClient, shared: Path, config: dict[str, Any]
) -> None:
    put_in(shared, "filelock", "0.1", "")
    with pytest.raises(JobError, match=r"filelock .* and found 0\.1") as caught:
        installed.submit("list", config).wait()
    assert_is_sentence(str(caught.value))


def test_other_versions_that_do_no_harm_are_not_mentioned(
    installed: WorkerClient, shared: Path, config: dict[str, Any]
) -> None:
    put_in(shared, "botocore", "9.9.9", "")
    with pytest.raises(JobError) as caught:
        installed.submit("download", config, component_id="no.blend", path="/no/such/x.blend", overwrite=False).wait()
    assert "botocore" not in str(caught.value)
