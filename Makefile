# The commands of people and CI. Each target installs what it needs into .tools/.
#
#   make scan LOGS=…    search old log files for quarantines: a folder, or s3://bucket
#   make demo           run the function on a local AWS: a log file goes in, the alert comes out
#   make test           run all tests
#   make check          run everything that CI runs: formatting, lints, tests, template gates, the deployed stack
#   make deployed       deploy the stack with `sam deploy` on the local AWS, from each source, and operate it
#   make invoke         run one invocation under cargo-lambda (EVENT=events/….json)
#   make docs           update the generated part of docs/rules.md
#   make bench          measure the scan and the function against their limits
#   make bench-peers    measure the scan against other tools
#   make bench-archive  measure quarantine-scan on a million records against other tools
#
# With your AWS credentials, for a stack of yours (STACK=quarantine-alert):
#
#   make enable-eventbridge BUCKET=…    once, for an existing bucket: send its S3 events to EventBridge
#   make deploy         build the function, and create or update the stack
#   make prove          send a test record through the whole pipeline, and wait for its alert
#   make logs           follow the function's log
#   make redrive        move messages from the dead-letter queue back to the delivery queue
#   make delete         delete the stack

STACK ?= quarantine-alert
ARCHITECTURE ?= x86_64
REAL ?= tests/data/invictus/CloudTrail
EVENT ?= events/s3-object-created.json
BOOTSTRAP = target/debug/quarantine-alert
PYTHON = .tools/local/bin/python
BENCHES = target/benches/release

# Where it is set, every Python tool starts two to four times slower.
unexport PYTHONDONTWRITEBYTECODE
export SAM_CLI_TELEMETRY = 0

.PHONY: scan demo test invoke bench bench-peers bench-archive benches docs deployed check fmt clippy gates local sam checkov \
	enable-eventbridge build deploy prove redrive logs delete clean

# Exit status 1 means that incidents were found.
scan:
	@cargo build --locked
	@target/debug/quarantine-scan $(LOGS) || test $$? -eq 1

demo: local
	cargo build --locked
	@$(PYTHON) tools/demo.py $(BOOTSTRAP)

# Many tests wait for a timeout of the function, so more threads than cores save time.
test: local
	cargo test --locked -- --show-output --test-threads=4

invoke: local
	cargo build --locked
	@$(PYTHON) tools/invoke.py $(BOOTSTRAP) $(EVENT)

bench: benches
	$(BENCHES)/quarantine-alert-benches $(REAL)
	python3 benches/function.py $(BENCHES)/quarantine-alert $(BENCHES)/bare

bench-peers: benches
	python3 benches/peers.py $(BENCHES)/quarantine-alert-benches

bench-archive: benches
	cargo build --locked --release -p quarantine-scan
	python3 benches/archive.py $(BENCHES)/quarantine-alert-benches target/release/quarantine-scan

# For the processors that cargo-lambda builds for. Their flags would rebuild everything in the common target folder.
benches: export RUSTFLAGS = $(if $(filter x86_64,$(shell uname -m)),-C target-cpu=haswell)
benches: export CARGO_TARGET_DIR = target/benches
benches:
	cargo build --locked --release -p quarantine-alert
	cargo build --locked --release -p quarantine-alert-benches

docs: local
	UPDATE_DOCS=1 cargo test --locked --test function -- docs::rules

check: fmt clippy test gates deployed

deployed: local sam
	cargo build --locked
	$(PYTHON) tests/deployed.py $(BOOTSTRAP)

fmt:
	cargo fmt --all --check

clippy:
	cargo clippy --locked --workspace --all-targets -- --deny warnings

gates: local sam checkov
	.tools/local/bin/cfn-lint -a cfn_lint_serverless.rules -t template.yaml
	$(PYTHON) tools/template.py combinations
	AWS_DEFAULT_REGION=us-east-1 .tools/sam/bin/sam validate
	AWS_DEFAULT_REGION=us-east-1 .tools/sam/bin/sam validate --lint
	.tools/checkov/bin/checkov -f template.yaml --framework cloudformation --compact --quiet --skip-download

enable-eventbridge: local
	@$(PYTHON) tools/operate.py enable-eventbridge $(BUCKET)

# cargo builds for the machine's own architecture. For another, cargo-lambda needs zig.
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

# One environment per purpose, since their pins exclude each other. The stamp contains the list's hash, so that a changed
# list is installed again, and a second `make` does nothing.
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
	rm -rf target .tools .aws-sam
