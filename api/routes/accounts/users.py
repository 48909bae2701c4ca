"""Routes of users and of the caller's own profile."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.guard import actor, caller
from api.http.responses import etag, json_list_response, json_response, next_link
from api.http.route_spec import ETAG, PAGED, expected_versions, request_id, route_spec
from api.schemas.accounts.queries import EraseQuery, UserListQuery
from api.schemas.accounts.users import (
    CreateUserRequest,
    ErasureResponse,
    ProfileResponse,
    UpdateUserRequest,
    UserResponse,
)
from shared.accounts.user import User
from shared.administration.users import UserService
from shared.application.services import Services
from shared.core import errors
from shared.rights.policy import Actor


def user_routes(services: Services) -> Blueprint:
    routes = Blueprint("users", __name__)
    users = services.users

    @routes.get("/me")
    @route_spec("Get your profile, your tenants and their subscriptions", {200: ProfileResponse})
    def profile() -> Response:
        return json_response(ProfileResponse.of(services.sign_in.profile(actor(services))))

    @routes.get("/users/me")
    @route_spec("Get your user record, updated from your token", {200: UserResponse}, headers=ETAG)
    def me() -> Response:
        return _respond(services.sign_in.record(caller(), request_id()))

    @routes.get("/users")
    @route_spec("List the users you may see, newest first", {200: [UserResponse]}, headers=PAGED)
    def list_users(query: UserListQuery) -> Response:
        page = users.page(actor(services), query.to_value(), query.tenant)
        return json_list_response([UserResponse.of(user) for user in page.items], next_link(page.next))

    @routes.post("/users")
    @route_spec(
        "Create a user before their first sign-in",
        {201: UserResponse},
        problems=(errors.Forbidden, errors.SubjectTaken, errors.UnknownReference),
        headers=("ETag", "Location"),
    )
    def create_user(body: CreateUserRequest) -> Response:
        user = users.create(body.to_value(), body.to_changes(), actor(services))
        return _respond(user, 201, {"Location": f"/users/{user.id}"})

    @routes.get("/users/<id:user_id>")
    @route_spec("Get a user", {200: UserResponse}, headers=ETAG)
    def get_user(user_id: str) -> Response:
        return _respond(users.get(user_id, actor(services)))

    @routes.patch("/users/<id:user_id>")
    @route_spec(
        "Change a user; you cannot grant more rights than you have",
        {200: UserResponse},
        problems=(errors.Forbidden, errors.UnknownReference),
        headers=ETAG,
        takes_version=True,
    )
    def change_user(user_id: str, body: UpdateUserRequest) -> Response:
        return _respond(users.change(user_id, body.to_changes(), actor(services), expected_versions()))

    @routes.delete("/users/<id:user_id>")
    @route_spec(
        "Delete a user; with `erase`, also the personal data in events",
        {200: ErasureResponse, 204: None},
        problems=(errors.Forbidden,),
        takes_version=True,
    )
    def delete_user(user_id: str, query: EraseQuery) -> Response:
        return _delete(users, user_id, actor(services), is_erased=query.erase)

    return routes


def _respond(user: User, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return json_response(UserResponse.of(user), status, etag(user.version) | (headers or {}))


def _delete(users: UserService, user_id: str, caller: Actor, *, is_erased: bool) -> Response:
    if is_erased:
        return json_response(ErasureResponse.of(users.erase(user_id, caller, expected_versions())))
    users.delete(user_id, caller, expected_versions())
    return Response(status=204)
