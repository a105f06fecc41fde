"""The specification of alerts: tables for what is pure, real servers for what is not."""
