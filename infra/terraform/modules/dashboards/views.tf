# The database's views and their columns; services/feedback_tagger/store/migrations makes them, and tests/infra compares.

locals {
  views = {
    feedback_latest = {
      ref_id   = "STRING", product_name = "STRING", store = "STRING", stars_number = "DECIMAL", title = "STRING",
      feedback = "STRING", label = "STRING", label_source = "STRING", create_date = "DATETIME", month = "DATETIME",
      run_id   = "STRING"
    }
    feedback_by_category      = { label = "STRING", feedback_count = "INTEGER", average_stars = "DECIMAL" }
    feedback_by_month         = { month = "DATETIME", label = "STRING", feedback_count = "INTEGER" }
    feedback_unknown_by_month = { month = "DATETIME", feedback_count = "INTEGER", unknown_count = "INTEGER", unknown_share = "DECIMAL" }
    feedback_accuracy         = { month = "DATETIME", label_before = "STRING", corrected_count = "INTEGER", agreed_count = "INTEGER" }
    feedback_accuracy_by_category_and_month = {
      month           = "DATETIME", category = "STRING", said_count = "INTEGER", right_count = "INTEGER", agreed_count = "INTEGER",
      precision_share = "DECIMAL", recall_share = "DECIMAL"
    }
    feedback_sentiment_by_month = {
      month = "DATETIME", aspect = "STRING", polarity = "STRING", feedback_count = "INTEGER", average_confidence = "DECIMAL"
    }
    ticket_outcomes_by_month = { month = "DATETIME", outcome = "STRING", state = "STRING", ticket_count = "INTEGER" }
    feedback_cost_by_month = {
      month    = "DATETIME", task = "STRING", run_count = "INTEGER", rows_stored = "INTEGER", unpriced_calls = "INTEGER",
      cost_usd = "DECIMAL", cost_usd_per_million_rows = "DECIMAL"
    }
  }

  # What the dashboard shows, in the order of reading. One dimension, at most one colour, one or two measures.
  visuals = [
    { id = "category-share", kind = "pie", title = "Feedback by category", view = "feedback_by_category", by = "label", colour = null, values = { feedback_count = "SUM" } },
    { id = "monthly-trend", kind = "bar", title = "Feedback by month", view = "feedback_by_month", by = "month", colour = "label", values = { feedback_count = "SUM" } },
    { id = "stars-by-category", kind = "bar", title = "Stars by category", view = "feedback_by_category", by = "label", colour = null, values = { average_stars = "AVERAGE" } },
    { id = "unknown-share", kind = "line", title = "Share without a category", view = "feedback_unknown_by_month", by = "month", colour = null, values = { unknown_share = "AVERAGE" } },
    { id = "accuracy", kind = "bar", title = "Corrected rows, and how many of them had the right label", view = "feedback_accuracy", by = "month", colour = null, values = { agreed_count = "SUM", corrected_count = "SUM" } },
    { id = "accuracy-by-category", kind = "line", title = "Share of corrected rows that had been labelled rightly, by category", view = "feedback_accuracy_by_category_and_month", by = "month", colour = "category", values = { precision_share = "AVERAGE" } },
    { id = "cost", kind = "bar", title = "Model cost by month, dollars", view = "feedback_cost_by_month", by = "month", colour = "task", values = { cost_usd = "SUM" } },
    { id = "sentiment", kind = "bar", title = "Praise and complaints by aspect", view = "feedback_sentiment_by_month", by = "aspect", colour = "polarity", values = { feedback_count = "SUM" } },
    { id = "ticket-outcomes", kind = "bar", title = "Tickets by outcome", view = "ticket_outcomes_by_month", by = "month", colour = "outcome", values = { ticket_count = "SUM" } },
  ]
}
