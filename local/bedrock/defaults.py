"""The agent, the harness and the knowledge base that are there without configuration; any alias answers."""

AGENT_ID = "DESKHAND01"
AGENT_ALIAS_ID = "TSTALIASID"
HARNESS_ID = "deskhand-DESKHAND01"
HARNESS_ARN = f"arn:aws:bedrock-agentcore:us-east-1:000000000000:harness/{HARNESS_ID}"
KNOWLEDGE_BASE_ID = "DESKHANDKB"
