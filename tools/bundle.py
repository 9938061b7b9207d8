"""Makes the files of a release, for people without Rust.

    python tools/bundle.py function BOOTSTRAP ARCHITECTURE FOLDER     Write quarantine-alert-<version>-<architecture>.tar.gz
    python tools/bundle.py scan PROGRAM PLATFORM FOLDER     Write quarantine-scan-<version>-<platform>.tar.gz

The same programs give the same bytes.
"""

import gzip
import hashlib
import io
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
ARCHITECTURES = ("x86_64", "arm64")
SHELLS = ("bash", "zsh", "fish", "elvish", "powershell")
# The earliest time that a zip archive can hold.
EARLIEST = (1980, 1, 1, 0, 0, 0)
README = """\
quarantine-alert {version} for {architecture}: deployed with the AWS SAM CLI, without Rust.

  sha256sum --check SHA256SUMS
  python3 operate.py enable-eventbridge BUCKET     once, if CloudTrail's bucket exists: send its S3 events to EventBridge
  sam deploy --guided --stack-name quarantine-alert --config-env quarantine-alert \
    --capabilities CAPABILITY_IAM
  python3 operate.py prove quarantine-alert        send a test record through the pipeline, and check the alarms

AWS CloudShell has all that these need. `sam deploy` asks for the parameters; Source has no default. Confirm the
subscriptions of AlertEmail and OperationsEmail before `prove`. packaged.yaml is the same template for other tools, such as
Terraform: put function.zip into a bucket of the stack's Region, and name it in CodeBucket and CodeKey. health-forwarder.yaml
forwards events of AWS Health from other Regions, or from the account that receives those of the organization.

{repository}/blob/v{version}/docs/deploy.md
"""


def replace(text, pattern, by):
    """Like `re.sub`, but the pattern must occur exactly once."""
    text, count = re.subn(pattern, lambda _: by, text, flags=re.MULTILINE)
    if count != 1:
        sys.exit(f"tools/bundle.py: template.yaml has {count} places like {pattern!r} instead of one; adapt this program")
    return text


def template(architecture, code):
    """template.yaml without its build, for a function that is built already."""
    text = (ROOT / "template.yaml").read_text()
    text = replace(text, r"^      BuildMethod: rust-cargolambda\n      BuildProperties:\n        Binary: quarantine-alert\n", "")
    text = replace(text, r"^    Default: x86_64$", f"    Default: {architecture}")
    text = replace(text, r"^    AllowedValues: \[x86_64, arm64\]$", f"    AllowedValues: [{architecture}]")
    return replace(text, r"^      CodeUri: \.$", f"      CodeUri: {code}")


def packaged(architecture):
    """The template whose code is in a bucket of the user's."""
    text = template(architecture, "{ Bucket: !Ref CodeBucket, Key: !Ref CodeKey }")
    parameters = """Parameters:
  CodeBucket:
    Type: String
    Description: The bucket, in the stack's Region, that function.zip of the release was put into
  CodeKey:
    Type: String
    Description: The key of function.zip in it. Change it with each release, so that CloudFormation updates the function.
"""
    return replace(text, r"^Parameters:\n", parameters)


def zipped(bootstrap, level=9):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo("bootstrap", EARLIEST)
        entry.create_system, entry.external_attr = 3, 0o755 << 16
        archive.writestr(entry, bootstrap, zipfile.ZIP_DEFLATED, level)
    return buffer.getvalue()


def archived(folder, files, programs):
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as compressed:
        with tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name, content in sorted(files.items()):
                entry = tarfile.TarInfo(f"{folder}/{name}")
                entry.size, entry.mode = len(content), 0o755 if name in programs else 0o644
                archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def checksums(files):
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items())).encode()


def cargo(name):
    return re.search(rf'^{name} = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]


def write(folder, name, files, programs=()):
    """Writes an archive and its checksum, and returns the archive's path."""
    content = archived(name, files, programs)
    path = pathlib.Path(folder) / f"{name}.tar.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.with_name(f"{path.name}.sha256").write_bytes(checksums({path.name: content}))
    return path


def function(bootstrap, architecture, folder):
    version = cargo("version")
    files = {
        "template.yaml": template(architecture, "function.zip").encode(),
        "packaged.yaml": packaged(architecture).encode(),
        "function.zip": zipped(pathlib.Path(bootstrap).read_bytes()),
        "health-forwarder.yaml": (ROOT / "health-forwarder.yaml").read_bytes(),
        "operate.py": (ROOT / "tools/operate.py").read_bytes(),
        "README": README.format(version=version, architecture=architecture, repository=cargo("repository")).encode(),
        "LICENSE": (ROOT / "LICENSE").read_bytes(),
    }
    files["SHA256SUMS"] = checksums(files)
    return write(folder, f"quarantine-alert-{version}-{architecture}", files)


def scan(program, platform, folder):
    program = pathlib.Path(program)
    files = {program.name: program.read_bytes(), "LICENSE": (ROOT / "LICENSE").read_bytes()}
    for shell in SHELLS:
        run = subprocess.run([program, "completions", shell], capture_output=True, check=True)
        files[f"completions/quarantine-scan.{shell}"] = run.stdout
    with tempfile.TemporaryDirectory() as pages:
        subprocess.run([program, "man", pages], check=True)
        files |= {f"man/{page.name}": page.read_bytes() for page in pathlib.Path(pages).iterdir()}
    return write(folder, f"quarantine-scan-{cargo('version')}-{platform}", files, [program.name])


def main():
    match sys.argv[1:]:
        case ["function", bootstrap, architecture, folder] if architecture in ARCHITECTURES:
            print(function(bootstrap, architecture, folder))
        case ["scan", program, platform, folder]:
            print(scan(program, platform, folder))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
