"""A local Bedrock endpoint that the unmodified AWS SDK talks to over HTTP.

    python -m local.bedrock --port 0 [--config FILE.json]     prints {"url": "http://127.0.0.1:PORT"} when it is ready

Point ``AWS_ENDPOINT_URL_`` + ``BEDROCK_RUNTIME``, ``BEDROCK``, ``BEDROCK_AGENT_RUNTIME`` and ``BEDROCK_AGENTCORE`` at
the URL. Operations: Converse, InvokeModel (Titan Text Embeddings V2), CountTokens; ListFoundationModels,
GetFoundationModel, ListInferenceProfiles, GetInferenceProfile; CreateModelInvocationJob and its like (``jobs``: of the
type Converse, on the S3 that PUT /_control/s3 names); Retrieve, InvokeAgent; InvokeHarness. botocore's own
service models decide what is a valid request; errors come in REST-JSON's shape, event streams in their real framing.

It is not a language model. Four stand-ins answer Converse, agents and harnesses, chosen by what the request is, for
any model id of the catalogue; each reply names its own in the header ``x-deskhand-stand-in``, one of Converse also in
``trace.promptRouter.invokedModelId``:

    toolConfig is set                     deskhand-stand-in/planner   follows the access rules, by the request alone
    <categories> and a <rows-...> block   deskhand-stand-in/tagger    nearest category by word vectors and cue words
    <aspects> and a <rows-...> block      deskhand-stand-in/sentiment  cue words say what about, a lexicon says how
    anything else                         deskhand-stand-in/greeter   says that it is a stand-in

What it proves: that requests, replies, errors, quotas and faults are handled. What it does not: how well a real model
tags or plans, real token counts (``tokens`` is an estimate), real latency, ConverseStream (not offered), signatures
(not checked), IAM; nor that agents and harnesses keep their sessions in every corner as those of AWS do.

Settings (``settings``), from the file at start and changed over the control route (``control`` has its table):

    {"models": {"*": {"latency": {"fixed_ms": 300, "per_output_token_ms": 5}},
                "amazon.nova-lite-v1:0": {"limits": [{"counts": "tokens", "amount": 200000, "per_seconds": 60,
                                                      "shape": "sliding_window", "hidden_margin_percent": 10,
                                                      "other_tenant_amount": 20000}],
                                          "faults": [{"kind": "server_error", "probability": 0.01}],
                                          "slips": {"wrong": 0.02, "wrong_per_row": 0.002, "obeys_rows": true}},
                "us.amazon.nova-pro-v1:0": {"planner": "hostile"},
                "amazon.nova-micro-v1:0": {"answer": "constant"}},
     "knowledge_bases": {"ABCDEFGHIJ": {"passages": [{"text": "...", "source": "s3://..."}], "hybrid": false}}}

It imports nothing of what is tested against it: a limiter checked by its own formula would prove nothing.
"""
