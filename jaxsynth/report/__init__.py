"""Reports for people: one self-contained HTML page from an audit, an evaluation, or both."""

from jaxsynth.report.page import Report as Report
from jaxsynth.report.page import report as report
