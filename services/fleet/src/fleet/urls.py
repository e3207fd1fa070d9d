"""Where what is."""

from __future__ import annotations

from django.urls import path

from fleet import views

urlpatterns = [
    path("airframes/<str:tail>", views.airframe),
    path("airframes/<str:tail>/inspections", views.inspections),
    path("receipts/<str:command_id>", views.receipt),
    path("livez", views.live),
    path("readyz", views.ready),
]
