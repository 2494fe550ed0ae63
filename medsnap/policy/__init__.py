"""The governance policy: load, lint, decide, explain. The only home of yaml, which loads when used."""

from medsnap.policy import explain
from medsnap.policy.engine import decide, leaves_alone, study_votes, waits_for_look
from medsnap.policy.findings import LintFinding, Severity
from medsnap.policy.listing import Setting, compartments, show
from medsnap.policy.loading import lint, lint_file, load, load_text
from medsnap.policy.nouns import Compartment, Export, FeatureRule, Policy, Rule, Vocabulary
from medsnap.policy.packaged import packaged, packaged_names
from medsnap.policy.parents import Source, beside

__all__ = [
    "Compartment",
    "Export",
    "FeatureRule",
    "LintFinding",
    "Policy",
    "Rule",
    "Setting",
    "Severity",
    "Source",
    "Vocabulary",
    "beside",
    "compartments",
    "decide",
    "explain",
    "leaves_alone",
    "lint",
    "lint_file",
    "load",
    "load_text",
    "packaged",
    "packaged_names",
    "show",
    "study_votes",
    "waits_for_look",
]
