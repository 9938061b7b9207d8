# What a person or CI runs; each target installs what it needs into .tools/.
#
#   make demo     the main job on a local AWS: a log file goes in, the alert comes out
#   make test     all tests
#   make invoke   one invocation under cargo-lambda (EVENT=events/….json)
#   make bench    what the scan costs, beside the limit and what other tools do
#   make docs     writes the generated part of docs/rules.md anew
#   make check    all that CI does: formatting, lints, tests, template gates

EVENT ?= events/s3-object-created.json
BOOTSTRAP = target/debug/quarantine-alert
PYTHON = .tools/local/bin/python

# Where it is set, every Python tool starts two to four times slower.
unexport PYTHONDONTWRITEBYTECODE
export SAM_CLI_TELEMETRY = 0

.PHONY: demo test invoke bench docs check fmt clippy gates local sam clean

demo: local
	cargo build --locked
	@$(PYTHON) tools/demo.py $(BOOTSTRAP)

# Many tests wait for a time-out of the function: four threads for two cores.
test: local
	cargo test --locked -- --show-output --test-threads=4

invoke: local
	cargo build --locked
	@$(PYTHON) tools/invoke.py $(BOOTSTRAP) $(EVENT)

bench:
	cargo run --locked --release --manifest-path benches/Cargo.toml

docs: local
	UPDATE_DOCS=1 cargo test --locked --test function -- docs::rules

check: fmt clippy test gates

fmt:
	cargo fmt --check

clippy:
	cargo clippy --locked --all-targets -- --deny warnings

gates: local sam
	.tools/local/bin/cfn-lint -a cfn_lint_serverless.rules -t template.yaml
	AWS_DEFAULT_REGION=us-east-1 .tools/sam/bin/sam validate
	AWS_DEFAULT_REGION=us-east-1 .tools/sam/bin/sam validate --lint

# One environment for each purpose, since their pins exclude each other. The stamp carries the list's hash, so a
# changed list is installed anew and a second `make` does nothing.
env = .tools/$(1)-$(firstword $(shell sha256sum tools/$(1).txt | cut -c1-12)).stamp
local: $(call env,local)
sam: $(call env,sam)

.tools/local-%.stamp: tools/local.txt
	rm -rf .tools/local .tools/local-*.stamp
	python3 -m venv .tools/local
	.tools/local/bin/pip install -q --disable-pip-version-check uv==0.13.9
	.tools/local/bin/uv pip install -q --no-deps --python $(PYTHON) -r $<
	touch $@

.tools/sam-%.stamp: tools/sam.txt | local
	rm -rf .tools/sam .tools/sam-*.stamp
	.tools/local/bin/uv venv -q .tools/sam
	.tools/local/bin/uv pip install -q --no-deps --python .tools/sam/bin/python -r $<
	touch $@

clean:
	rm -rf target benches/target .tools .aws-sam
