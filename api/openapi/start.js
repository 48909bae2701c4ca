// Shows the description of this service. A file of its own, because the page's policy allows no inline script.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  filter: true,
  docExpansion: "none",
  defaultModelsExpandDepth: 0,
  // nothing is sent elsewhere: Swagger's own service would be given the description
  validatorUrl: null,
});
