"""The URLs: airframes and inspections, receipts, health and metrics."""

from __future__ import annotations

from django.urls import path

from fleet import views
from fleet.contract import fleet
from writegate.integrations.django import live, metrics, ready, receipt

urlpatterns = [
    path("airframes/<str:tail>", views.airframe),
    path("airframes/<str:tail>/inspections", views.inspections),
    path("receipts/<str:command_id>", receipt, {"service": fleet.name}),
    path("livez", live),
    path("readyz", ready),
    path("metrics", metrics),
]
