# What a person or CI runs; each target installs what it needs into .tools/.
#
#   make scan LOGS=…    has it already happened? in old log files: a folder, or s3://bucket
#   make demo     the main job on a local AWS: a log file goes in, the alert comes out
#   make test     all tests
#   make invoke   one invocation under cargo-lambda (EVENT=events/….json)
#   make bench    what the scan and the function cost, beside the limit and a bare function
#   make bench-peers    the scan beside what people use today
#   make bench-archive    quarantine-scan on an archive of a million records, beside zgrep and Python
#   make deployed    the stack by `sam deploy` on the local AWS, in each source mode, and all that an operator does
#   make docs     writes the generated part of docs/rules.md anew
#   make check    all that CI does: formatting, lints, tests, template gates, the deployed stack
#
# And for a stack of yours, with your AWS credentials (STACK=quarantine-alert):
#
#   make enable-eventbridge BUCKET=…    once, for a bucket that exists: S3 tells EventBridge of its objects
#   make deploy    builds the function, and creates or updates the stack
#   make prove     sends a test record the real way, and waits for its alert
#   make logs      follows the function's log
#   make redrive   hands what waits in the failure queue to the function again
#   make delete    deletes the stack

STACK ?= quarantine-alert
ARCHITECTURE ?= x86_64
REAL ?= tests/data/invictus/CloudTrail
EVENT ?= events/s3-object-created.json
BOOTSTRAP = target/debug/quarantine-alert
PYTHON = .tools/local/bin/python

# Where it is set, every Python tool starts two to four times slower.
unexport PYTHONDONTWRITEBYTECODE
export SAM_CLI_TELEMETRY = 0

.PHONY: scan demo test invoke bench bench-peers bench-archive benches docs deployed check fmt clippy gates local sam checkov \
	enable-eventbridge build deploy prove redrive logs delete clean

# That something was found is no failure.
scan:
	@cargo build --locked --features cli --bin quarantine-scan
	@target/debug/quarantine-scan $(LOGS) || test $$? -eq 1

demo: local
	cargo build --locked
	@$(PYTHON) tools/demo.py $(BOOTSTRAP)

# Many tests wait for a time-out of the function: four threads for two cores.
test: local
	cargo test --locked -- --show-output --test-threads=4
	cargo test --locked --features cli --lib --bin quarantine-scan --test scan_cli -- --test-threads=4

invoke: local
	cargo build --locked
	@$(PYTHON) tools/invoke.py $(BOOTSTRAP) $(EVENT)

bench: benches
	benches/target/release/quarantine-alert-benches $(REAL)
	python3 benches/function.py benches/target/release/quarantine-alert benches/target/release/bare

bench-peers: benches
	python3 benches/peers.py benches/target/release/quarantine-alert-benches

bench-archive: benches
	cargo build --locked --release --features cli --bin quarantine-scan
	python3 benches/archive.py benches/target/release/quarantine-alert-benches target/release/quarantine-scan

# For the processors that cargo-lambda builds for.
benches: export RUSTFLAGS = $(if $(filter x86_64,$(shell uname -m)),-C target-cpu=haswell)
benches:
	cargo build --locked --release --manifest-path benches/Cargo.toml

docs: local
	UPDATE_DOCS=1 cargo test --locked --test function -- docs::rules

check: fmt clippy test gates deployed

deployed: local sam
	cargo build --locked
	$(PYTHON) tests/deployed.py $(BOOTSTRAP)

fmt:
	cargo fmt --check

clippy:
	cargo clippy --locked --all-targets -- --deny warnings
	cargo clippy --locked --all-targets --features cli -- --deny warnings

gates: local sam checkov
	.tools/local/bin/cfn-lint -a cfn_lint_serverless.rules -t template.yaml
	$(PYTHON) tools/template.py combinations
	AWS_DEFAULT_REGION=us-east-1 .tools/sam/bin/sam validate
	AWS_DEFAULT_REGION=us-east-1 .tools/sam/bin/sam validate --lint
	.tools/checkov/bin/checkov -f template.yaml --framework cloudformation --compact --quiet --skip-download

enable-eventbridge: local
	@$(PYTHON) tools/operate.py enable-eventbridge $(BUCKET)

# The machine's own kind is built with its own compiler; for another, cargo-lambda needs zig.
build: local sam
	PATH="$(CURDIR)/.tools/local/bin:$$PATH" $(if $(filter $(ARCHITECTURE),$(subst aarch64,arm64,$(shell uname -m))),CARGO_LAMBDA_COMPILER=cargo) \
		.tools/sam/bin/sam build --parameter-overrides Architecture=$(ARCHITECTURE)

deploy: build
	.tools/sam/bin/sam deploy --guided --stack-name $(STACK)

prove: local
	@$(PYTHON) tools/operate.py prove $(STACK) $(PREFIX)

redrive: local
	@$(PYTHON) tools/operate.py redrive $(STACK)

logs: local sam
	.tools/sam/bin/sam logs --tail --cw-log-group "$$($(PYTHON) tools/operate.py output $(STACK) LogGroupName)"

delete: sam
	.tools/sam/bin/sam delete --stack-name $(STACK)

# One environment for each purpose, since their pins exclude each other. The stamp carries the list's hash, so a
# changed list is installed anew and a second `make` does nothing.
env = .tools/$(1)-$(firstword $(shell sha256sum tools/$(1).txt | cut -c1-12)).stamp
local: $(call env,local)
sam: $(call env,sam)
checkov: $(call env,checkov)

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

.tools/checkov-%.stamp: tools/checkov.txt | local
	rm -rf .tools/checkov .tools/checkov-*.stamp
	.tools/local/bin/uv venv -q .tools/checkov
	.tools/local/bin/uv pip install -q --no-deps --python .tools/checkov/bin/python -r $<
	touch $@

clean:
	rm -rf target benches/target .tools .aws-sam
