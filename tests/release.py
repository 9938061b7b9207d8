"""Tests what a release contains for people without Rust: the wheel, the archive, and where they start.

    python tests/release.py WHEEL ARCHIVE
"""

import ast
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import bundle  # noqa: E402
import glibc  # noqa: E402

WHEEL, ARCHIVE = (pathlib.Path(sys.argv.pop(1)).resolve() for _ in range(2))
LOG_FILE = ROOT / "events/log-files/quarantined.json"


class Release(unittest.TestCase):
    def finds_the_quarantine(self, program):
        version = subprocess.run([program, "--version"], capture_output=True, text=True)
        self.assertEqual(version.stdout, f"quarantine-scan {bundle.cargo('version')}\n")
        found = subprocess.run([program, LOG_FILE, "--format", "csv"], capture_output=True, text=True)
        self.assertEqual(found.returncode, 1, found.stderr)
        self.assertIn("ci-deploy", found.stdout)
        traced = subprocess.run([program, "trace", "AKIAIOSFODNN7EXAMPLE", ROOT / "events/trace"], capture_output=True, text=True)
        self.assertEqual(traced.returncode, 1, traced.stderr)

    def test_the_wheel_runs_in_an_empty_environment(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
            subprocess.run(
                [pathlib.Path(sys.executable).with_name("uv"), "pip", "install", "-q", "--offline", "--python", folder, WHEEL],
                check=True,
            )
            self.finds_the_quarantine(pathlib.Path(folder) / "bin/quarantine-scan")

    def test_the_archive_has_the_program_its_completions_and_its_man_pages(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["tar", "xzf", ARCHIVE], cwd=folder, check=True)
            [unpacked] = pathlib.Path(folder).iterdir()
            self.finds_the_quarantine(unpacked / "quarantine-scan")
            names = {path.name for path in unpacked.rglob("*") if path.stat().st_size > 100}
            wanted = {"quarantine-scan", "LICENSE", "quarantine-scan.1", "quarantine-scan-find.1"}
            wanted |= {f"quarantine-scan.{shell}" for shell in bundle.SHELLS}
            self.assertLessEqual(wanted, names)

    def test_a_program_that_needs_a_newer_glibc_is_refused(self):
        old = "0000000000000000      DF *UND*\t0000000000000000 (GLIBC_2.34) dlsym\n"
        new = "0000000000000000  w   DF *UND*\t0000000000000000 (GLIBC_2.39) pidfd_spawnp\n"
        no_version = "0000000000000000  w   D  *UND*\t0000000000000000              pidfd_spawnp\n"
        self.assertIsNone(glibc.check(old + no_version, "2.34", "program"))
        self.assertIn("program needs glibc 2.39 (for pidfd_spawnp)", glibc.check(old + new, "2.34", "program"))
        self.assertIn("program needs glibc 2.34", glibc.check(old, "2.9", "program"))
        self.assertIn("Cannot read from program", glibc.check("", "2.34", "program"))

    def test_the_function_is_not_built_on_another_system(self):
        with tempfile.TemporaryDirectory() as folder:
            other = pathlib.Path(folder) / "uname"
            other.write_text("#!/bin/sh\necho Darwin\n")
            other.chmod(0o755)
            environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
            for target in ("build", "deploy", "bundle"):
                refused = subprocess.run(["make", target], cwd=ROOT, env=environment, capture_output=True, text=True)
                self.assertEqual(refused.returncode, 2)
                self.assertIn("This builds the function for Lambda, which needs Linux.", refused.stderr)

    def test_the_operators_script_runs_on_the_python_of_amazon_linux_2023(self):
        ast.parse((ROOT / "tools/operate.py").read_text(), feature_version=(3, 9))
        with self.assertRaises(SyntaxError):
            ast.parse("match 1:\n    case _:\n        pass", feature_version=(3, 9))

    def test_the_terraform_example_uses_the_names_of_the_packaged_template(self):
        example = re.search(r"```hcl\n(.*?)```", (ROOT / "docs/terraform.md").read_text(), re.DOTALL)[1]
        template = bundle.packaged("x86_64")
        section = re.search(r"^Parameters:\n(.*?)^Outputs:\n(.*)", template, re.DOTALL | re.MULTILINE)
        parameters, outputs = (set(re.findall(r"^  ([A-Za-z]+):$", part, re.MULTILINE)) for part in section.groups())
        used = set(re.findall(r"^    ([A-Z][A-Za-z]+) +=", example, re.MULTILINE))
        self.assertEqual(used, {"CodeBucket", "CodeKey", "Source", "LogBucketName", "AlertEmail", "OperationsEmail"})
        self.assertLessEqual(used, parameters)
        shown = re.findall(r'outputs\["([A-Za-z]+)"\]', example)
        self.assertEqual(len(shown), 1)
        self.assertLessEqual(set(shown), outputs)


if __name__ == "__main__":
    unittest.main(verbosity=2)
