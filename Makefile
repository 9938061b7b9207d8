# Where PYTHONDONTWRITEBYTECODE is set, every Python tool starts two to four times slower.
unexport PYTHONDONTWRITEBYTECODE
env = .tools/$(1)-$(firstword $(shell sha256sum tools/$(1).txt | cut -c1-12)).stamp
local: $(call env,local)
sam: $(call env,sam)
checkov: $(call env,checkov)
.tools/local-%.stamp: tools/local.txt
	rm -rf .tools/local .tools/local-*.stamp && python3 -m venv .tools/local
	.tools/local/bin/pip install -q --disable-pip-version-check uv==0.13.9
	.tools/local/bin/uv pip install -q --no-deps --python .tools/local/bin/python -r $<
	touch $@
.tools/sam-%.stamp: tools/sam.txt | local
	rm -rf .tools/sam .tools/sam-*.stamp && .tools/local/bin/uv venv -q .tools/sam
	.tools/local/bin/uv pip install -q --no-deps --python .tools/sam/bin/python -r $<
	touch $@
.tools/checkov-%.stamp: tools/checkov.txt | local
	rm -rf .tools/checkov .tools/checkov-*.stamp && .tools/local/bin/uv venv -q .tools/checkov
	.tools/local/bin/uv pip install -q --no-deps --python .tools/checkov/bin/python -r $<
	touch $@
