locals {
  # QuickSight's grid is 36 columns wide.
  grid = { width = 18, height = 12 }
  date = "month"
}

resource "aws_quicksight_dashboard" "feedback" {
  dashboard_id        = "${var.name}-feedback"
  name                = "${var.name} feedback"
  version_description = substr(sha256(jsonencode([local.views, local.visuals])), 0, 12)

  permissions {
    principal = var.owner_arn
    actions   = local.owner_actions.dashboard
  }

  dynamic "permissions" {
    for_each = toset(var.viewer_arns)

    content {
      principal = permissions.value
      actions   = local.viewer_actions
    }
  }

  definition {
    dynamic "data_set_identifiers_declarations" {
      for_each = aws_quicksight_data_set.view

      content {
        identifier   = data_set_identifiers_declarations.key
        data_set_arn = data_set_identifiers_declarations.value.arn
      }
    }

    sheets {
      sheet_id = "feedback"
      name     = "Feedback"

      dynamic "visuals" {
        for_each = local.visuals

        content {
          dynamic "pie_chart_visual" {
            for_each = visuals.value.kind == "pie" ? [visuals.value] : []

            content {
              visual_id = pie_chart_visual.value.id

              title {
                format_text {
                  plain_text = pie_chart_visual.value.title
                }
              }

              chart_configuration {
                field_wells {
                  pie_chart_aggregated_field_wells {
                    category {
                      categorical_dimension_field {
                        field_id = "${pie_chart_visual.value.id}-by"
                        column {
                          data_set_identifier = pie_chart_visual.value.view
                          column_name         = pie_chart_visual.value.by
                        }
                      }
                    }

                    dynamic "values" {
                      for_each = pie_chart_visual.value.values

                      content {
                        numerical_measure_field {
                          field_id = "${pie_chart_visual.value.id}-${values.key}"
                          column {
                            data_set_identifier = pie_chart_visual.value.view
                            column_name         = values.key
                          }
                          aggregation_function {
                            simple_numerical_aggregation = values.value
                          }
                        }
                      }
                    }
                  }
                }
              }
            }
          }

          dynamic "bar_chart_visual" {
            for_each = visuals.value.kind == "bar" ? [visuals.value] : []

            content {
              visual_id = bar_chart_visual.value.id

              title {
                format_text {
                  plain_text = bar_chart_visual.value.title
                }
              }

              chart_configuration {
                orientation      = "VERTICAL"
                bars_arrangement = bar_chart_visual.value.colour == null ? "CLUSTERED" : "STACKED"

                field_wells {
                  bar_chart_aggregated_field_wells {
                    category {
                      dynamic "date_dimension_field" {
                        for_each = bar_chart_visual.value.by == local.date ? [bar_chart_visual.value] : []

                        content {
                          field_id         = "${date_dimension_field.value.id}-by"
                          date_granularity = "MONTH"
                          column {
                            data_set_identifier = date_dimension_field.value.view
                            column_name         = date_dimension_field.value.by
                          }
                        }
                      }

                      dynamic "categorical_dimension_field" {
                        for_each = bar_chart_visual.value.by == local.date ? [] : [bar_chart_visual.value]

                        content {
                          field_id = "${categorical_dimension_field.value.id}-by"
                          column {
                            data_set_identifier = categorical_dimension_field.value.view
                            column_name         = categorical_dimension_field.value.by
                          }
                        }
                      }
                    }

                    dynamic "colors" {
                      for_each = bar_chart_visual.value.colour == null ? [] : [bar_chart_visual.value]

                      content {
                        categorical_dimension_field {
                          field_id = "${colors.value.id}-colour"
                          column {
                            data_set_identifier = colors.value.view
                            column_name         = colors.value.colour
                          }
                        }
                      }
                    }

                    dynamic "values" {
                      for_each = bar_chart_visual.value.values

                      content {
                        numerical_measure_field {
                          field_id = "${bar_chart_visual.value.id}-${values.key}"
                          column {
                            data_set_identifier = bar_chart_visual.value.view
                            column_name         = values.key
                          }
                          aggregation_function {
                            simple_numerical_aggregation = values.value
                          }
                        }
                      }
                    }
                  }
                }
              }
            }
          }

          dynamic "line_chart_visual" {
            for_each = visuals.value.kind == "line" ? [visuals.value] : []

            content {
              visual_id = line_chart_visual.value.id

              title {
                format_text {
                  plain_text = line_chart_visual.value.title
                }
              }

              chart_configuration {
                type = "LINE"

                field_wells {
                  line_chart_aggregated_field_wells {
                    category {
                      date_dimension_field {
                        field_id         = "${line_chart_visual.value.id}-by"
                        date_granularity = "MONTH"
                        column {
                          data_set_identifier = line_chart_visual.value.view
                          column_name         = line_chart_visual.value.by
                        }
                      }
                    }

                    dynamic "colors" {
                      for_each = line_chart_visual.value.colour == null ? [] : [line_chart_visual.value]

                      content {
                        categorical_dimension_field {
                          field_id = "${colors.value.id}-colour"
                          column {
                            data_set_identifier = colors.value.view
                            column_name         = colors.value.colour
                          }
                        }
                      }
                    }

                    dynamic "values" {
                      for_each = line_chart_visual.value.values

                      content {
                        numerical_measure_field {
                          field_id = "${line_chart_visual.value.id}-${values.key}"
                          column {
                            data_set_identifier = line_chart_visual.value.view
                            column_name         = values.key
                          }
                          aggregation_function {
                            simple_numerical_aggregation = values.value
                          }
                        }
                      }
                    }
                  }
                }
              }
            }
          }
        }
      }

      layouts {
        configuration {
          grid_layout {
            dynamic "elements" {
              for_each = local.visuals

              content {
                element_id   = elements.value.id
                element_type = "VISUAL"
                column_index = local.grid.width * (elements.key % 2)
                column_span  = local.grid.width
                row_index    = local.grid.height * floor(elements.key / 2)
                row_span     = local.grid.height
              }
            }
          }
        }
      }
    }
  }
}
